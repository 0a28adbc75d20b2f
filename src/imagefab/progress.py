"""Progress of long work: a small interface that other modules call and the command line implements."""

from __future__ import annotations

from typing import Protocol


class Task(Protocol):
    """A piece of work with a start and an end. Safe to call from any thread."""

    def advance(self, amount: int) -> None: ...

    def finish(self, note: str = "") -> None:
        """Mark the work as done; `note` states the result."""


class Progress(Protocol):
    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        """Start a task. `unit` is "B" for bytes, else a noun; `total` is None if the amount is unknown."""

    def say(self, text: str) -> None:
        """Print a line that is worth the user's attention."""

    def warn(self, text: str) -> None: ...


class _SilentTask:
    def advance(self, amount: int) -> None:
        pass

    def finish(self, note: str = "") -> None:
        pass


class SilentProgress:
    """For tests, and for callers that want no progress."""

    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        return _SilentTask()

    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass
