"""The first lock of a base, from locks that were made when bases had none: nothing moves by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

from imagefab.debian.pin import ArchivePin
from imagefab.lock.join import keep_used, stands_on
from imagefab.lock.model import Lock, LockedBase, PlatformLock, SourcePin
from imagefab.lock.staleness import inputs_digest
from imagefab.toolchains.blueprint import Blueprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A recipe's lock that has the layers of its bases in itself."""

    lock: Lock
    is_fresh: bool
    """Whether it fits its recipe, and so what its bases ask for."""


def seed_base(
    blueprints: Sequence[Blueprint], layer: str, wholes: Iterable[Whole], base: LockedBase | None
) -> Lock | None:
    """What most recipes have as this layer, on the base that is below it; None if none has it.

    If they all are of recipes that changed since, it is stale itself, and its pins are kept where they can be.
    """
    fitting = [one for one in wholes if base is None or stands_on(one.lock, base.lock)]
    chosen = [one for one in fitting if one.is_fresh] or fitting
    archives = {archive.name for archive in blueprints[0].archives}
    sources = {source.name for blueprint in blueprints for spec in blueprint.layers for source in spec.sources}
    found = Counter(
        (_read_state(one.lock, archives, sources), platform.platform, pinned)
        for one in chosen
        for platform in one.lock.platforms
        for pinned in platform.layers
        if pinned.name == layer
    )
    if not found:
        return None
    most = sorted(found, key=lambda key: found[key])
    state = most[-1][0]
    layers = {platform: pinned for of, platform, pinned in most if of == state}
    fitted = [blueprint for blueprint in blueprints if blueprint.platform.name in layers]
    own = Lock(
        recipe=blueprints[0].recipe,
        inputs=inputs_digest(fitted) if chosen[0].is_fresh else chosen[0].lock.inputs,
        epoch=state.epoch,
        archives=state.archives,
        sources=tuple(pin for pin in state.sources if base is None or pin not in base.lock.sources),
        platforms=tuple(
            PlatformLock(platform=one.platform.name, layers=(layers[one.platform.name],)) for one in fitted
        ),
    )
    return own if base is None else replace(keep_used(own), epoch=0)


@dataclass(frozen=True, slots=True)
class _State:
    """What all platforms of a base have in common."""

    epoch: int
    archives: tuple[ArchivePin, ...]
    sources: tuple[SourcePin, ...]


def _read_state(lock: Lock, archives: Set[str], sources: Set[str]) -> _State:
    return _State(
        lock.epoch,
        tuple(one for one in lock.archives if one.name in archives),
        tuple(one for one in lock.sources if one.name in sources),
    )
