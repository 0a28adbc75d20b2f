"""Fit a lock to a base that moved, without the archive: from the packages that the store has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from imagefab.debian.deb import read_control
from imagefab.debian.package import Package, read_package
from imagefab.debian.pin import PackagePin
from imagefab.debian.universe import Universe
from imagefab.digest import Digest
from imagefab.errors import ImagefabError
from imagefab.lock.join import join_locks, list_layers, undate
from imagefab.lock.model import Lock, LockedBase, PlatformLock
from imagefab.lock.resolve import resolve
from imagefab.lock.staleness import platform_pins
from imagefab.toolchains.blueprint import Blueprint


def fits_base(
    blueprints: Sequence[Blueprint], base: LockedBase, own: Lock, find_blob: Callable[[Digest], Path]
) -> bool:
    """Whether a lock's packages go together with those of its base as it is now, so that none has to move.

    False if they don't, or if the store lacks one of them.
    """
    try:
        whole = join_locks(base, own)
        found = tuple(_resolve(blueprint, base, whole, own, find_blob) for blueprint in blueprints)
    except (ImagefabError, OSError, ValueError, KeyError):
        return False
    return undate(found) == undate(own.platforms)


def _resolve(
    blueprint: Blueprint, base: LockedBase, whole: Lock, own: Lock, find_blob: Callable[[Digest], Path]
) -> PlatformLock:
    platform = blueprint.platform
    pins = platform_pins(whole, platform.name)
    foreign = dict.fromkeys(pin.architecture for pin in pins if pin.architecture not in ("all", platform.debian_arch))
    universe = Universe(
        pins=(),
        native=platform.debian_arch,
        foreign=tuple(foreign),
        indexes=(),
        extra=[_read(pin, find_blob(pin.sha256)) for pin in dict.fromkeys(pins)],
    )
    versions = {(pin.name, pin.architecture): pin.version for pin in platform_pins(own, platform.name)}
    layers = resolve(blueprint, universe, versions, below=list_layers(base.lock, platform.name))
    return PlatformLock(platform=platform.name, layers=layers)


def _read(pin: PackagePin, path: Path) -> Package:
    return read_package(
        read_control(path), archive=pin.archive, path=pin.path, size=pin.size, sha256=pin.sha256, seen=pin.seen
    )
