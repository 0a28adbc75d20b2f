"""Running probes, with the machine itself in the place of an image."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.check import session
from imagefab.check.probe import Probe
from imagefab.check.session import Ran, run_probes
from imagefab.engines.engine import Command


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> Callable[[Command], str]:
    def run(command: Command) -> str:
        place = command.binds[0][0]
        argv = [word.replace("/project", place) for word in command.argv]
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **dict(command.env)}
        ).stdout

    return run


def probe(name: str, script: str, *, root: bool = False) -> Probe:
    return Probe(name=name, what="", script=script, root=root)


def run(tmp_path: Path, execute: Callable[[Command], str], *probes: Probe) -> dict[str, Ran]:
    return run_probes(probes, tmp_path, {"A": "b"}, execute)


def test_exit_codes_and_output(tmp_path: Path, execute: Callable[[Command], str]) -> None:
    found = run(tmp_path, execute, probe("good", 'echo "$A"; echo no >&2'), probe("bad", "false; echo never"))
    assert (found["good"].code, found["good"].output, found["good"].began) == (0, ("b", "no"), True)
    assert (found["bad"].code, found["bad"].output) == (1, ())


def test_each_has_a_folder_and_no_home(tmp_path: Path, execute: Callable[[Command], str]) -> None:
    found = run(tmp_path, execute, probe("one", 'echo x >mine; echo "${HOME:-none}"'), probe("two", "test ! -e mine"))
    assert (found["one"].folder / "mine").read_text() == "x\n"
    assert found["one"].output == ("none",)
    assert found["two"].code == 0


def test_a_probe_finds_its_files(tmp_path: Path, execute: Callable[[Command], str]) -> None:
    (tmp_path / "kept").write_text("x\n")
    wanted = Probe(name="one", what="", script="cat there; rm there", files=(("there", tmp_path / "kept"),))
    assert run(tmp_path, execute, wanted)["one"].output == ("x",)
    assert (tmp_path / "kept").exists(), "it has a copy"


def test_a_hanging_probe_is_killed_with_its_children(
    tmp_path: Path, execute: Callable[[Command], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LIMIT", 1)
    found = run(tmp_path, execute, probe("hang", "sleep 987 & sleep 987"), probe("next", "true"))
    assert found["hang"].timed_out
    assert found["next"].code == 0
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 987" not in listed


def test_probes_of_root_have_a_folder_of_their_own(tmp_path: Path) -> None:
    commands: list[Command] = []

    def execute(command: Command) -> str:
        commands.append(command)
        return ""

    run(tmp_path, execute, probe("a", ""), probe("b", "", root=True))
    user, root = commands
    assert (user.user, user.read_only, root.user, root.read_only) == ((12345, 12345), True, None, False)
    assert user.binds != root.binds
    assert not user.network
    assert not root.network


def test_an_image_without_a_shell(tmp_path: Path) -> None:
    found = run(tmp_path, lambda _: "exec: sh: not found\n", probe("a", ""))
    assert (found["a"].began, found["a"].code, found["a"].output) == (False, None, ("exec: sh: not found",))


def test_hostile_results_are_read_safely(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")

    def execute(command: Command) -> str:
        place = Path(command.binds[0][0])
        (place / "started").write_text("")
        (place / "a.log").symlink_to(secret)
        os.mkfifo(place / "a.code")
        (place / "b.log").write_bytes(b"\xff" * (3 << 20))
        (place / "b.code").write_text("../../0")
        return ""

    found = run(tmp_path, execute, probe("a", ""), probe("b", ""))
    assert (found["a"].output, found["a"].code, found["b"].code) == ((), None, None)
    assert sum(map(len, found["b"].output)) <= 1 << 20
