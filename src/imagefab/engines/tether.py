"""Run an engine's program so that it, and all that it starts, ends with whoever asked for it.

Runs as a program (`python tether.py PARENT SECONDS COMMAND…`) with nothing but the standard library, and in a session
of its own, so that no signal to a terminal or to a process group gets past it. It adopts what its command leaves
behind: Podman's steps, which outlive a Podman that is killed, and the plugins of Docker's client. When PARENT dies,
when it is asked to end, or after SECONDS (0: never), all of them are asked to end, and a moment later made to.

Exit codes are the command's; 143 when it was ended, 124 when its time was over.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

ENDED, TOO_LATE, NOT_FOUND = 128 + signal.SIGTERM, 124, 127
_PATIENCE, _MOST_PATIENCE = 2.0, 10.0
"""Seconds between asking to end and making to, and until what can't be ended is left alone."""
_PAUSE = 0.05
_FOREVER = 1e6
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def tether(command: list[str], *, limit: float = 0) -> list[str]:
    """The command, tied to this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(limit), *command]


def tell_too_late(limit: float) -> str:
    return f"error: not done after {limit:.0f} seconds"


def main(parent: int, limit: float, command: list[str]) -> int:
    with contextlib.suppress(PermissionError):
        os.setsid()
    watched = {signal.SIGTERM, signal.SIGCHLD}
    before: Iterable[int] = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
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
        if found is not None and found.si_signo == signal.SIGTERM:
            _end_all()
            return ENDED
    _end_all()
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
    """Reap whoever is dead; the exit code of the child when it is among them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == child:
                code = os.waitstatus_to_exitcode(found[1])
    return None if code is None else code if code >= 0 else 128 - code


def _end_all() -> None:
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


def list_descendants(pid: int) -> list[int]:
    """The processes below one."""
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
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
