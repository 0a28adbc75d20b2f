"""Steps that misbehave: they talk without end, leave processes behind, or fill what they are given."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagefab.engines.sandbox.memory import list_claims, usable_memory
from tests.e2e.conftest import CommandLine, copy_store
from tests.e2e.test_survival import assert_nothing_left

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "a step that misbehaves"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "debian-trixie"
platforms = ["linux/amd64"]
runner = "none"

[[run]]
name = "misbehave"
script = '''
{script}
'''
"""


SECONDS = ("54321", "54322")
"""How long the sleepers sleep; nobody else sleeps just as long."""


def list_sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:1] == [b"sleep"] and words[1].decode() in SECONDS:
            found.append(words[1].decode())
    return sorted(found)


def wait_for_sleepers(wanted: Sequence[str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while list_sleepers() != list(wanted):
        assert time.monotonic() < deadline, f"these sleep: {list_sleepers()}"
        time.sleep(0.1)


def write_sleepers(recipes: Path) -> None:
    for seconds in SECONDS:
        # The step's shell, its child, and a grandchild that nobody waits for.
        script = f"(setsid sleep {seconds} &)\nsleep 54000 & sleep 54000"
        (recipes / f"sleep-{seconds}.toml").write_text(RECIPE.format(script=script))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_steps_die_with_the_build(
    number: signal.Signals, warm: CommandLine, project: Callable[[str], Path], tmp_path: Path
) -> None:
    """Two at a time, each in a thread of its own."""
    folder = project(RECIPE.format(script="true"))
    write_sleepers(folder / "recipes")
    line = CommandLine(copy_store(warm.store, tmp_path / "store"), folder)
    line.run("lock")
    with line.start("build", *(f"sleep-{seconds}" for seconds in SECONDS), "--jobs", "2") as process:
        wait_for_sleepers(SECONDS, 60)
        process.send_signal(number)
    wait_for_sleepers((), 5)
    assert_nothing_left(line.store)


def list_scratch_sizes(store: Path) -> list[int]:
    """How large the scratch spaces in memory may grow that workers have mounted in a store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"imagefab.engines.sandbox.worker" in (folder / "cmdline").read_bytes():
                mounts = (folder / "mountinfo").read_text().splitlines()
                found += [re.search(r"[ ,]size=(\d+)k", line) for line in mounts if f" {store}/tmp/" in line]
        except OSError:
            continue
    return [int(match[1]) << 10 for match in found if match]


@pytest.mark.parametrize("processes", [1, 2])
def test_builds_at_once_share_the_memory(
    processes: int, warm: CommandLine, project: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = project(RECIPE.format(script="true"))
    write_sleepers(folder / "recipes")
    line = CommandLine(copy_store(warm.store, tmp_path / "store"), folder)
    line.run("lock")
    recipes = [f"sleep-{seconds}" for seconds in SECONDS]
    usable = usable_memory()
    with ExitStack() as stack:
        for names in [recipes] if processes == 1 else [[name] for name in recipes]:
            process = stack.enter_context(line.start("build", *names, "--jobs", "2", "--engine", "sandbox"))
            stack.callback(process.kill)
        wait_for_sleepers(SECONDS, 60)
        sizes = list_scratch_sizes(line.store)
        others = len(list_claims()) - len(sizes)
    # Where other builds have claimed the most, the second of ours may be left to the disk.
    assert len(sizes) == 2 or (len(sizes) == 1 and others > 0)
    # Others come and go meanwhile.
    assert sum(sizes) <= max(usable, usable_memory())


@pytest.fixture
def build(warm: CommandLine, project: Callable[[str], Path], tmp_path: Path) -> Callable[[str, int], str]:
    """Build an image with that step; what was said."""

    def run(script: str, code: int) -> str:
        line = CommandLine(copy_store(warm.store, tmp_path / "store"), project(RECIPE.format(script=script)))
        line.run("lock")
        # Within half a gigabyte, so that nothing can be kept that has no bound.
        bounded = ("prlimit", f"--as={1 << 30}")
        said = line.run("build", "probe", "--engine", "sandbox", code=code, prefix=bounded).stderr
        assert_nothing_left(line.store)
        assert not list((line.store / "tmp").iterdir())
        return said

    return run


@pytest.mark.parametrize(
    "talk",
    ["yes a line of some length | head -c 100000000", "head -c 100000000 /dev/zero | tr '\\0' x"],
    ids=["lines", "one line"],
)
def test_a_step_that_prints_much(talk: str, build: Callable[[str, int], str]) -> None:
    said = build(f"{talk}; echo; echo the last words; exit 7", 5)
    assert "failed with exit code 7" in said
    assert "the last words" in said
    assert len(said) < 100_000


def test_a_step_that_leaves_processes_behind(build: Callable[[str, int], str]) -> None:
    """They hold its output open, ignore signals and have a session of their own; they end with it all the same."""
    began = time.monotonic()
    build("for n in 1 2 3; do (trap '' HUP INT TERM; exec setsid sleep 1000) & done; sleep 1001 & echo started", 0)
    assert time.monotonic() - began < 60


def test_a_step_that_is_killed(build: Callable[[str, int], str]) -> None:
    assert "failed with exit code 137" in build("echo now; sh -c 'kill -KILL $$'", 5)


def test_a_file_where_a_folder_is(warm: CommandLine, project: Callable[[str], Path], tmp_path: Path) -> None:
    """It would land inside of it otherwise, under another name."""
    text = RECIPE.format(script="true") + '[[files]]\npath = "/etc/profile.d"\ncontent = ""\n'
    line = CommandLine(copy_store(warm.store, tmp_path / "store"), project(text))
    line.run("lock")
    said = line.run("build", "probe", "--engine", "sandbox", code=5).stderr
    assert "cannot overwrite directory '/etc/profile.d'" in said
