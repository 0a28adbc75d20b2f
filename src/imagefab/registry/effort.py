"""Limits of time and attempts for one piece of work with a registry.

Fetching a blob is retried, as are the requests that it takes, and the tokens for those. Only the outermost work has a
limit, and everything inside draws on it, so retries don't multiply.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagefab.http import Deadline, Patience, within
from imagefab.registry.errors import PassingError

_ANSWERS = 3
"""There is time for this many responses of maximum duration."""


@dataclass(slots=True)
class Effort:
    """One piece of work, in one thread."""

    patience: Patience
    deadline: Deadline
    failures: int = 0

    def fail(self, error: PassingError) -> float:
        """The seconds to pause before another attempt. Raises the error if there is no time or attempt left."""
        self.failures += 1
        pause: float = max(self.patience.pause * 2 ** (self.failures - 1), error.wait)
        if self.failures >= self.patience.attempts or self.deadline.left <= pause - error.wait:
            self.failures = self.patience.attempts
            raise error
        # A pause that the registry asks for doesn't count against the time for work.
        self.deadline.end += error.wait
        return pause


class Efforts(threading.local):
    """Each thread's current work."""

    def __init__(self) -> None:
        self._open: Effort | None = None

    @contextmanager
    def begin(self, patience: Patience, size: int) -> Iterator[Effort]:
        """Join the current work, or begin new work that transfers `size` bytes."""
        if self._open is not None:
            yield self._open
            return
        with within(_ANSWERS * patience.whole + patience.limit(size)) as deadline:
            self._open = Effort(patience, deadline)
            try:
                yield self._open
            finally:
                self._open = None
