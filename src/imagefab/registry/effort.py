"""What one piece of work with a registry may take: time, and attempts.

A blob is asked for again when it comes broken, the requests that it takes are, too, and so are the tokens for these.
The outermost of all that has the time and the attempts, and what is inside draws from them: nothing multiplies.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagefab.http import Deadline, Patience, within
from imagefab.registry.errors import PassingError

_ANSWERS = 3
"""How many answers that take as long as one may there is time for."""


@dataclass(slots=True)
class Effort:
    """One piece of work, in one thread."""

    patience: Patience
    deadline: Deadline
    failures: int = 0

    def fail(self, error: PassingError) -> float:
        """The seconds to pause before another attempt; the error again when no more make sense."""
        self.failures += 1
        pause: float = max(self.patience.pause * 2 ** (self.failures - 1), error.wait)
        if self.failures >= self.patience.attempts or self.deadline.left <= pause - error.wait:
            self.failures = self.patience.attempts
            raise error
        # A pause that the registry asks for takes nothing from the time for work.
        self.deadline.end += error.wait
        return pause


class Efforts(threading.local):
    """The one that each thread is at."""

    def __init__(self) -> None:
        self._open: Effort | None = None

    @contextmanager
    def begin(self, patience: Patience, size: int) -> Iterator[Effort]:
        """The work that is going on, or else a new one, in which so many bytes are to be sent or read."""
        if self._open is not None:
            yield self._open
            return
        with within(_ANSWERS * patience.whole + patience.limit(size)) as deadline:
            self._open = Effort(patience, deadline)
            try:
                yield self._open
            finally:
                self._open = None
