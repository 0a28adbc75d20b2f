"""How long work reports itself: a small interface that rooms call and the command line implements."""

from __future__ import annotations

from typing import Protocol


class Task(Protocol):
    """One piece of work with a beginning and an end. Safe to call from any thread."""

    def advance(self, amount: int) -> None: ...

    def finish(self, note: str = "") -> None:
        """The work is done; `note` says what came of it."""


class Progress(Protocol):
    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        """Begin a task. `unit` is "B" for bytes, else a noun; `total` is None when the amount is not known."""

    def say(self, text: str) -> None:
        """One line worth a person's attention."""

    def warn(self, text: str) -> None: ...


class _SilentTask:
    def advance(self, amount: int) -> None:
        pass

    def finish(self, note: str = "") -> None:
        pass


class SilentProgress:
    """For tests and for callers that want no reports."""

    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        return _SilentTask()

    def say(self, text: str) -> None:
        pass

    def warn(self, text: str) -> None:
        pass
