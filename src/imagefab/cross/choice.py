"""Chooses one recipe for each target: a file has one entry per target, and several recipes may be for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from imagefab.errors import UsageError


class ForTarget(Protocol):
    @property
    def recipe(self) -> str: ...

    @property
    def triple(self) -> str: ...


T = TypeVar("T", bound=ForTarget)


def choose_one_each(found: Sequence[T], used: Mapping[str, str], *, file: str) -> tuple[T, ...]:
    """Return one for each target, in their order.

    Among rivals, the one that the file already uses wins, by triple in `used`; UsageError if it uses none of them.
    """
    chosen: list[T] = []
    for triple in dict.fromkeys(one.triple for one in found):
        rivals = [one for one in found if one.triple == triple]
        if len(rivals) > 1:
            rivals = [one for one in rivals if one.recipe == used.get(triple)] or rivals
        if len(rivals) > 1:
            *first, last = [one.recipe for one in rivals]
            others = [one.recipe for one in found if one.triple != triple]
            raise UsageError(
                f"{', '.join(first)} and {last} are for the same target, {triple}, which has one place in {file}",
                hint=f"name the recipes to use, like `imagefab cross-toml {' '.join([*others, first[0]])}`",
            )
        chosen += rivals
    return tuple(chosen)
