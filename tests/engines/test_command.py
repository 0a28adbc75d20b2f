"""Commands in containers, with an engine whose program is a shell script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.fake_container_engine import FakeContainerEngine, count_claims

from imagefab.engines.command import run_in_container
from imagefab.engines.engine import Command, TimeLimitError
from imagefab.platforms import AMD64
from imagefab.store.store import Store

PROGRAM = """\
#!/bin/sh
# `run` makes a container, which is a file, and removes it after its command; as a daemon's, it outlives its client.
cd "$(dirname "$0")/containers" || exit 1
case $1 in
run)
    for word; do
        case $word in --name=*) name=${word#--name=} ;; esac
    done
    echo "$@" >"$name"
    while [ "${1#-}" != "$1" ] || [ "$1" = run ]; do shift; done
    shift
    "$@"
    code=$?
    rm "$name"
    exit $code ;;
rm) rm "$3" ;;
esac
"""


class ScriptEngine(FakeContainerEngine):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.program = folder / "engine"
        self.containers = folder / "containers"
        self.containers.mkdir(parents=True)
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.cleared: list[str] = []

    def client(self) -> list[str]:
        return [str(self.program)]

    def clear(self, claim: object) -> None:
        super().clear(claim)  # type: ignore[arg-type]
        path = self.containers / claim.container  # type: ignore[attr-defined]
        if path.exists():
            self.cleared.append(path.name)
            path.unlink()


@pytest.fixture
def engine(tmp_path: Path) -> ScriptEngine:
    return ScriptEngine(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


def run(engine: ScriptEngine, store: Store, *argv: str, limit: float | None = None) -> int:
    with (store.root.parent / "output").open("wb") as output:
        return run_in_container(engine, "image", AMD64, Command(argv=argv, limit=limit), store, output=output)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_exit_codes(engine: ScriptEngine, store: Store, script: str, code: int) -> None:
    assert run(engine, store, "sh", "-c", script) == code
    assert not list(engine.containers.iterdir())
    assert count_claims(store) == 0


def test_a_command_that_takes_too_long(engine: ScriptEngine, store: Store) -> None:
    with pytest.raises(TimeLimitError):
        run(engine, store, "sleep", "1000", limit=0.5)
    assert not list(engine.containers.iterdir())
    assert not engine.cleared, "the container was removed at once"
    assert count_claims(store) == 0


KILLED = """
import os, sys
from pathlib import Path
from imagefab.store.store import Store
from tests.engines.test_command import ScriptEngine, run
class Here(ScriptEngine):
    def __init__(self, folder):
        super().__init__(folder / "made")
        self.containers = folder / "containers"
        self.program = folder / "engine"
folder = Path(sys.argv[1])
run(Here(folder), Store(folder / "store"), "sleep", "60")
"""


@pytest.mark.parametrize("how", ["alone", "with all that would have ended it"])
def test_containers_of_a_killed_run_are_removed(engine: ScriptEngine, store: Store, how: str, tmp_path: Path) -> None:
    """By what it is tied to; and when that is killed as well, by the next that runs, which leaves others alone."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 30
    while not (made := list(engine.containers.iterdir())):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert run(engine, store, "true") == 0
    assert list(engine.containers.iterdir()) == made
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if how != "alone":
        os.kill(int(child), signal.SIGSTOP)
    process.kill()
    process.wait()
    if how == "alone":
        while list(engine.containers.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    else:
        os.kill(int(child), signal.SIGKILL)
    assert count_claims(store) == 1
    assert run(engine, store, "true") == 0
    assert engine.cleared == ([] if how == "alone" else [made[0].name])
    assert not list(engine.containers.iterdir())
    assert count_claims(store) == 0
