"""Join the parts of a lock, and split it again.

An archive may have moved on between the making of the parts. The joined lock has its newest state; pins of an older one
say when they were seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.errors import StaleError
from imagefab.lock.model import LayerLock, Lock, LockedBase, PlatformLock, SourcePin


def join_locks(base: LockedBase, own: Lock) -> Lock:
    """Put a file's own part on the lock of its base; StaleError if that lacks a platform."""
    below = base.lock
    archives = _merge_archives(below.archives, own.archives)
    lower = {one.platform: one for one in _date_pins(below, archives)}
    for platform in own.platforms:
        if platform.platform not in lower:
            raise StaleError(
                f"the lock of the base `{base.pin.name}` has nothing for {platform.platform}, for which there is"
                f" {own.recipe}",
                hint=f"run `imagefab lock {own.recipe}`",
            )
    return replace(
        own,
        epoch=below.epoch,
        archives=tuple(archives.values()),
        sources=_merge_sources(below.sources, own.sources),
        platforms=tuple(
            PlatformLock(platform=one.platform, layers=(*lower[one.platform].layers, *one.layers))
            for one in _date_pins(own, archives)
        ),
        bases=(*below.bases, base.pin),
    )


def stands_on(lock: Lock, below: Lock) -> bool:
    """Whether the lowest layers of a whole lock are those of a base, for all of its platforms."""
    lowest = tuple(replace(one, layers=one.layers[: len(list_layers(below, one.platform))]) for one in lock.platforms)
    names = {one.platform for one in lock.platforms}
    wanted = {one.platform: one for one in below.platforms}
    return (
        lock.epoch == below.epoch
        and names <= wanted.keys()
        and undate(lowest) == undate([wanted[one.platform] for one in lock.platforms])
    )


def split_lock(lock: Lock, below: Lock) -> Lock:
    """Return the part of a whole lock that is not its base's, which it must stand on."""
    return keep_used(
        replace(
            lock,
            sources=tuple(pin for pin in lock.sources if pin not in below.sources),
            platforms=tuple(
                replace(one, layers=one.layers[len(list_layers(below, one.platform)) :]) for one in lock.platforms
            ),
        )
    )


def keep_used(own: Lock) -> Lock:
    """Return the lock with those archives only that its pins are from."""
    used = {pin.archive for pin in _list_pins(own.platforms)}
    return replace(own, archives=tuple(one for one in own.archives if one.name in used))


def _merge_archives(below: Sequence[ArchivePin], own: Sequence[ArchivePin]) -> dict[str, ArchivePin]:
    """Merge the states of archives, by name; the newest counts."""
    found = {one.name: one for one in below}
    for one in own:
        known = found.get(one.name)
        if known is None or known.date < one.date:
            found[one.name] = one
    return found


def _merge_sources(below: Sequence[SourcePin], own: Sequence[SourcePin]) -> tuple[SourcePin, ...]:
    return tuple(sorted({*below, *own}, key=lambda pin: (pin.name, pin.platform or "")))


def _date_pins(part: Lock, archives: Mapping[str, ArchivePin]) -> tuple[PlatformLock, ...]:
    """Return the part's platforms, with the date that it saw a package in where the archive has moved on since."""
    moved = {one.name: one.date for one in part.archives if archives[one.name].date != one.date}
    if not moved:
        return part.platforms

    def date(pin: PackagePin) -> PackagePin:
        return replace(pin, seen=moved[pin.archive]) if pin.archive in moved and pin.seen is None else pin

    return tuple(
        replace(
            platform,
            layers=tuple(
                replace(one, packages=tuple(map(date, one.packages)), extracts=tuple(map(date, one.extracts)))
                for one in platform.layers
            ),
        )
        for platform in part.platforms
    )


def list_layers(lock: Lock | None, platform: str) -> tuple[LayerLock, ...]:
    found = (one.layers for one in (lock.platforms if lock is not None else ()) if one.platform == platform)
    return next(found, ())


def undate(platforms: Sequence[PlatformLock]) -> list[tuple[str, list[LayerLock]]]:
    """Reduce platforms to what identifies their packages."""
    return [(one.platform, list(map(_undate_layer, one.layers))) for one in platforms]


def _undate_layer(layer: LayerLock) -> LayerLock:
    return replace(
        layer,
        packages=tuple(replace(pin, seen=None) for pin in layer.packages),
        extracts=tuple(replace(pin, seen=None) for pin in layer.extracts),
    )


def _list_pins(platforms: Sequence[PlatformLock]) -> Iterator[PackagePin]:
    for layer in (layer for platform in platforms for layer in platform.layers):
        yield from (*layer.packages, *layer.extracts)
