"""The result of starting a program somewhere."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An attempt to start a program in a suite."""

    suite: str
    works: bool
    detail: str
