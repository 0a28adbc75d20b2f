"""Handle Ctrl-C: before and after the work it ends the program; during it, it is an exception, so that work cleans up.

Interrupting Python's imports, which are most of a short run, prints a traceback: so this module and the entry point
import next to nothing. Nor can Python raise everywhere: an interrupt that it would only print is raised again a moment
later.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

INTERRUPTED = 130
LINE = "interrupted\n"
_AGAIN = 0.01


def leave_on_interrupt() -> None:
    """End the program on Ctrl-C from here on: there is nothing to clean up."""
    _set_handler(_leave)


def raise_on_interrupt() -> None:
    sys.unraisablehook = _keep_interrupt
    signal.signal(signal.SIGALRM, _raise)
    _set_handler(_raise)


def _set_handler(handler: Callable[[int, object], None]) -> None:
    """Handle SIGINT, unless it is ignored: a program in the background may have been started that way on purpose."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _leave(number: int, frame: object) -> None:
    os.write(2, LINE.encode())
    os._exit(INTERRUPTED)


def _raise(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _keep_interrupt(raised: sys.UnraisableHookArgs) -> None:
    if raised.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(raised)
