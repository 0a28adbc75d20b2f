"""Tethered commands end with the process that runs them, and so do all of their descendants."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.engines import tether as module
from imagefab.engines.tether import ENDED, NOT_FOUND, TOO_LATE, tether

STUBBORN = 'trap "" TERM; echo $$ >{file}; while :; do sleep 1; done'
"""A program that does not end when it is asked to, and says what its number is."""
PARENT = """
import subprocess, sys
from imagefab.engines import tether
tether.__file__, ending, *command = sys.argv[1:]
subprocess.run(tether.tether(command, ending=ending.split("\\n") if ending else []))
"""
"""Arguments: tether's program, the lines of an ending, and the command."""


@pytest.fixture
def hurried(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked to end has less time for it, or each of these tests would take seconds."""
    program = Path(module.__file__).read_text()
    patience = "_PATIENCE, _MOST_PATIENCE = 2.0, "
    assert patience in program
    copy = tmp_path_factory.mktemp("tether") / "tether.py"
    copy.write_text(program.replace(patience, "_PATIENCE, _MOST_PATIENCE = 0.2, "))
    monkeypatch.setattr(module, "__file__", str(copy))


def make_parent(command: list[str], ending: list[str] | None = None) -> list[str]:
    """A process that runs a tethered command."""
    return [sys.executable, "-c", PARENT, module.__file__, "\n".join(ending or []), *command]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_number(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill $$", 143)])
def test_exit_codes(script: str, code: int) -> None:
    assert subprocess.run(tether(["sh", "-c", script]), check=False).returncode == code


def test_streams() -> None:
    command = tether(["sh", "-c", "cat; echo err >&2"])
    result = subprocess.run(command, input="in", capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("in", "err\n")


def test_a_missing_command() -> None:
    result = subprocess.run(tether(["/nowhere"]), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (NOT_FOUND, "/nowhere: No such file or directory\n")


def test_processes_in_the_background_may_stay(tmp_path: Path) -> None:
    """As long as the command ends by itself: Podman leaves a process that keeps an ordinary user's namespaces."""
    file = tmp_path / "pid"
    script = f'"$0" "$@" >/dev/null 2>&1 & while [ ! -s {file} ]; do sleep 0.1; done'
    subprocess.run(tether(["sh", "-c", script, "sh", "-c", STUBBORN.format(file=file)]), check=True)
    number = read_number(file)
    assert is_alive(number)
    os.kill(number, signal.SIGKILL)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("how", ["killed", "asked", "too late"])
def test_descendants_end(how: str, detached: bool, tmp_path: Path) -> None:
    """With whoever asked for it, when asked to, or when its time is over; also what left its session and its parent."""
    file = tmp_path / "pid"
    stubborn = ["sh", "-c", STUBBORN.format(file=file)]
    command = ["sh", "-c", 'setsid "$0" "$@" & sleep 1000', *stubborn] if detached else stubborn
    match how:
        case "killed":
            process = subprocess.Popen(make_parent(command))
            read_number(file)
            process.kill()
            process.wait()
        case "asked":
            process = subprocess.Popen(tether(command))
            read_number(file)
            process.terminate()
            assert process.wait() == ENDED
        case "too late":
            assert subprocess.run(tether(command, limit=0.5), check=False).returncode == TOO_LATE
    number = read_number(file)
    wait_until(lambda: not is_alive(number))


@pytest.mark.usefixtures("hurried")
def test_signals_to_the_process_group(tmp_path: Path) -> None:
    """Who is interrupted ends it in good order, and a group that is killed still has somebody to end the rest."""
    file = tmp_path / "pid"
    process = subprocess.Popen(make_parent(["sh", "-c", STUBBORN.format(file=file)]), start_new_session=True)
    number = read_number(file)
    assert os.getpgid(number) != os.getpgid(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not is_alive(number))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("how", ["killed", "asked", "too late", "hung up"])
def test_the_ending_runs_before_the_command_ends(how: str, tmp_path: Path) -> None:
    """By a command, while the one that it is about is still there; and whatever comes of it."""
    file, said = tmp_path / "pid", tmp_path / "said"
    ending = ["sh", "-c", f'echo out; kill -0 "$(cat {file})" && echo alive >{said}; exit 3']
    stubborn = ["sh", "-c", STUBBORN.format(file=file)]
    if how == "killed":
        command = make_parent(stubborn, ending)
    else:
        command = tether(stubborn, limit=0.5 if how == "too late" else 0, ending=ending)
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    read_number(file)
    match how:
        case "killed":
            process.kill()
        case "asked":
            process.terminate()
        case "hung up":
            process.send_signal(signal.SIGHUP)
    out, _ = process.communicate()
    assert not out
    wait_until(lambda: said.exists() and said.read_text() == "alive\n")
    number = read_number(file)
    wait_until(lambda: not is_alive(number))


def test_a_command_that_ends_by_itself_needs_no_ending(tmp_path: Path) -> None:
    command = tether(["sh", "-c", "exit 5"], ending=["touch", str(tmp_path / "ended")])
    assert subprocess.run(command, check=False).returncode == 5
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [False, True])
def test_a_command_for_people_stays_in_their_session(keep: bool) -> None:
    """And has the signals that they type, which end nothing else."""
    script = "import os, signal; print(os.getsid(0), signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    script += "; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    command = tether([sys.executable, "-c", script], keep_session=keep)
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    session, mask = result.stdout.splitlines()
    assert session.endswith(" True")
    assert (int(session.split()[0]) == os.getsid(0)) == keep
    assert mask == "set()"


def test_nothing_is_run_for_a_parent_that_is_gone() -> None:
    command = tether(["echo", "begun"])
    assert command[4] == str(os.getpid())
    command[4] = "1"
    result = subprocess.run(command, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (ENDED, b"")
