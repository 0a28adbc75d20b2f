"""What one piece of work with a registry may take: time, and attempts.

A blob is asked for again when it comes broken, the requests that it takes are, too, and so are the tokens for these.
The outermost of all that has the time and the attempts, and what is inside draws from them: nothing multiplies.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagefab.http import SLOWEST, Deadline, compute_limit, within
from imagefab.registry.errors import PassingError

_ANSWERS = 3
"""How many answers that take as long as one may there is time for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    connect: float = 10
    read: float = 60
    """For each piece of an answer."""
    whole: float = 60
    """For all of one answer, besides what its size takes at the slowest rate."""
    attempts: int = 5
    pause: float = 0.5
    """Before the second attempt; doubled each time."""
    longest: float = 120
    """A pause that a registry asks for may be that long, and no longer."""
    slowest: int = SLOWEST
    """Bytes a second; no rate is too slow for 0."""

    def limit(self, size: int) -> float:
        """Seconds for one answer, or for what is sent."""
        return compute_limit(self.whole, size, self.slowest)


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
