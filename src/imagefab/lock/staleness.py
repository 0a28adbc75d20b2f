"""Whether a lock still matches its recipe, and how two locks differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.lock.model import Lock
from imagefab.toolchains.blueprint import Blueprint


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PackageChange:
    """One package on one platform; a version is None where the package is not there."""

    platform: str
    name: str
    architecture: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return f"{self.name}:{self.architecture} {self.old or '(none)'} → {self.new or '(none)'}"


def inputs_digest(blueprints: Sequence[Blueprint]) -> Digest:
    """The digest of what a lock is made from, apart from the archives: the recipe's blueprint for every platform."""
    return Digest.of_json([blueprint.describe() for blueprint in blueprints])


def is_stale(lock: Lock, blueprints: Sequence[Blueprint]) -> bool:
    return lock.inputs != inputs_digest(blueprints)


def compare_locks(old: Lock | None, new: Lock) -> tuple[PackageChange, ...]:
    """List the packages that were added or removed, or changed their version."""
    before, after = _versions(old), _versions(new)
    return tuple(
        PackageChange(platform=platform, name=name, architecture=arch, old=before.get(key), new=after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        for platform, name, arch in [key]
    )


def platform_pins(lock: Lock | None, platform: str) -> tuple[PackagePin, ...]:
    """Return all packages that a lock pins for one platform, installed or extracted from."""
    if lock is None:
        return ()
    return tuple(
        pin
        for found in lock.platforms
        if found.platform == platform
        for layer in found.layers
        for pin in (*layer.packages, *layer.extracts)
    )


def _versions(lock: Lock | None) -> Mapping[tuple[str, str, str], str]:
    return {
        (found.platform, pin.name, pin.architecture): pin.version
        for found in (lock.platforms if lock else ())
        for pin in platform_pins(lock, found.platform)
    }
