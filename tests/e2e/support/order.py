"""The order of tests in a run with several workers, so that they seldom wait for each other.

Each worker starts with an equal part of the list, and takes from others when it is done. Tests that have the engines
alone are the first ones, together, so that the engines are taken once. All parts begin with tests that need no engine,
and those that take long come before others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def arrange(
    alone: Sequence[Item], with_engines: Sequence[Item], without: Sequence[Item], *, workers: int
) -> Iterator[Item]:
    size = -(-(len(alone) + len(with_engines) + len(without)) // workers)
    left = list(without)
    for number in range(workers):
        first, last = alone if number == 0 else (), with_engines[number::workers]
        room = max(0, size - len(first) - len(last))
        yield from (*first, *left[:room], *last)
        left = left[room:]
    yield from left
