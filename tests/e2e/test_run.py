"""`run` and `shell`: a person in an image, with every engine."""

from __future__ import annotations

import os
import pty
import select
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker", "podman")]

ENGINES = ("sandbox", "docker", "podman")
WHO = """\
description = "says whose it is"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "trixie"

[[files]]
path = "/opt/who"
content = "{who}"
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_folder_is_there_and_exit_codes_get_through(engine: str, warm: CommandLine, tmp_path: Path) -> None:
    script = 'test "$(id -u)" = "$1" && test -n "$CC_aarch64_unknown_linux_gnu" && pwd >where && exit 7'
    uid = str(os.getuid())
    words = ("run", "--mount", tmp_path, "--engine", engine, "aarch64-gnu", "--", "sh", "-c", script, "sh", uid)
    warm.run(*words, code=7)
    assert (tmp_path / "where").read_text() == f"{tmp_path}\n"
    assert (tmp_path / "where").stat().st_uid == os.getuid()
    for name, code in (("KILL", 137), ("TERM", 143), ("ABRT", 134)):
        warm.run(*words[:6], "--", "perl", "-e", f"kill {name} => $$; sleep 9", code=code)
    assert "nowhere: not found" in warm.run(*words[:6], "--", "nowhere", code=127).stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_crash_under_an_emulator_is_one(engine: str, warm: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "crash.c").write_text("int main(void) { *(volatile int *)0 = 1; }\n")
    words = ("run", "--mount", tmp_path, "--engine", engine, "aarch64-gnu", "--")
    warm.run(*words, "aarch64-linux-gnu-gcc", "crash.c", "-o", "crash")
    warm.run(*words, "/linux-runner", "aarch64", "./crash", code=139)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_two_projects_do_not_get_in_each_others_way(
    engine: str, warm: CommandLine, project: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """Their images have one name in the engine, and not one tag."""
    lines = {}
    for who in ("this", "that"):
        folder = project(WHO.format(who=who), "same")
        lines[who] = warm.at(Path(shutil.copytree(folder, tmp_path / who)))
        lines[who].run("lock")
        lines[who].run("build", "same")
    asked = ("run", "--engine", engine, "--mount", tmp_path, "same", "--", "cat", "/opt/who")
    running = {who: [line.start(*asked) for _ in range(3)] for who, line in lines.items()}
    for who, processes in running.items():
        assert {process.communicate()[0] for process in processes} == {who}


@pytest.mark.parametrize("engine", ["sandbox", "docker"])
def test_a_shell_is_one_to_work_in(engine: str, warm: CommandLine, tmp_path: Path) -> None:
    """On a terminal: what is typed runs, Ctrl-C ends a command and not the shell, and its exit code is ours."""
    child, terminal = pty.fork()
    if child == 0:
        command = warm.command("shell", "--mount", tmp_path, "--engine", engine, "aarch64-gnu")
        os.execv(command[0], command)
    seen = wait_for(terminal, b"# ")
    # The program that is to end says itself that it runs: before it has the terminal, bash would have the Ctrl-C.
    os.write(terminal, b"echo $((6 * 7)); sh -c 'echo $CROSS_DEB_ARCH; sleep 100'\n")
    seen = wait_for(terminal, b"arm64\r\n")
    assert b"42\r\n" in seen
    os.write(terminal, b"\x03")
    wait_for(terminal, b"# ")
    os.write(terminal, b"exit 5\n")
    wait_for(terminal, None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def wait_for(terminal: int, what: bytes | None) -> bytes:
    """What the terminal shows, up to something; or up to the end."""
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline and (what is None or what not in seen):
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            chunk = os.read(terminal, 4096) if ready else None
        except OSError:
            break
        if chunk == b"":
            break
        seen += chunk or b""
    if what is not None:
        assert what in seen, seen
    return seen
