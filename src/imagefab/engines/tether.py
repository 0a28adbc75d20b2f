"""Run an engine's program so that it, and everything it starts, ends with the process that asked for it.

Runs as a program (`python tether.py PARENT SECONDS SESSION COUNT ENDING… COMMAND…`) with only the standard library, and
in its own session, so that no signal to a terminal or process group bypasses it; except for a command used on a
terminal, which must stay in that session. It adopts what its command leaves behind: Podman's steps, which outlive a
killed Podman, and the plugins of Docker's client. When PARENT dies, when it is asked to end, or after SECONDS (0:
never), it terminates all of them, and kills them a moment later. What a daemon does for the command is not among them;
for that there is ENDING, a command of COUNT words that runs first.

Exit codes are the command's; 143 if it was terminated, 124 if its time ran out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

ENDED, TOO_LATE, NOT_FOUND = 128 + signal.SIGTERM, 124, 127
_PATIENCE, _MOST_PATIENCE = 2.0, 10.0
"""Seconds between SIGTERM and SIGKILL, and until processes that can't be killed are left alone."""
_PAUSE = 0.05
_FOREVER = 1e6
_OWN, _KEPT = "own", "kept"
"""Sessions."""
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def tether(
    command: Sequence[str], *, limit: float = 0, ending: Sequence[str] = (), keep_session: bool = False
) -> list[str]:
    """Return the command line that ties a command to this process."""
    session = _KEPT if keep_session else _OWN
    options = [str(os.getpid()), str(limit), session, str(len(ending))]
    return [sys.executable, "-I", "-S", __file__, *options, *ending, *command]


def format_time_limit(limit: float) -> str:
    return f"error: not done after {limit:.0f} seconds"


def main(parent: int, limit: float, session: str, ending: list[str], command: list[str]) -> int:
    if session == _OWN:
        with contextlib.suppress(PermissionError):
            os.setsid()
    watched = {signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD}
    # Signals from a terminal's keys are for the command.
    before: Iterable[int] = signal.pthread_sigmask(signal.SIG_BLOCK, watched | {signal.SIGINT, signal.SIGQUIT})
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        return ENDED
    child = os.fork()
    if child == 0:
        _become(command, before)
    deadline = time.monotonic() + (limit or _FOREVER)
    while (left := deadline - time.monotonic()) > 0:
        found = signal.sigtimedwait(watched, left)
        code = _bury(child)
        if code is not None:
            return code
        if found is not None and found.si_signo != signal.SIGCHLD:
            _end_all(ending, before)
            return ENDED
    _end_all(ending, before)
    return TOO_LATE


def _become(command: list[str], mask: Iterable[int]) -> NoReturn:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(NOT_FOUND)


def _bury(child: int = 0) -> int | None:
    """Reap dead processes; returns the exit code of the child if it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == child:
                code = os.waitstatus_to_exitcode(found[1])
    return None if code is None else code if code >= 0 else 128 - code


def _end_all(ending: list[str], mask: Iterable[int]) -> None:
    if ending:
        _call(ending, mask)
    began = time.monotonic()
    asked: set[int] = set()
    while found := list_descendants(os.getpid()):
        waited = time.monotonic() - began
        if waited > _MOST_PATIENCE:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if waited > _PATIENCE:
                    os.kill(pid, signal.SIGKILL)
                elif pid not in asked:
                    os.kill(pid, signal.SIGTERM)
        asked.update(found)
        time.sleep(_PAUSE)
        _bury()


def _call(command: list[str], mask: Iterable[int]) -> None:
    """Run a command without output, waiting only a limited time."""
    child = os.fork()
    if child == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        _become(command, mask)
    deadline = time.monotonic() + _MOST_PATIENCE
    while _bury(child) is None and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def list_descendants(pid: int) -> list[int]:
    """The descendants of a process."""
    found: list[int] = []
    todo = [pid]
    while todo:
        for path in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                children = [int(child) for child in path.read_text().split()]
                found += children
                todo += children
    return found


if __name__ == "__main__":
    _rest = 5 + int(sys.argv[4])
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[5:_rest], sys.argv[_rest:]))
