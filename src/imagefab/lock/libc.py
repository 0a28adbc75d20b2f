"""The C library that an image's binaries are linked against, as its lock pins it.

Its version is a bound: no binary needs a newer one. What each really needs, only a look at it can tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from imagefab.errors import OptionError
from imagefab.lock.model import Lock, PackagePin
from imagefab.lock.staleness import platform_pins
from imagefab.recipe.target import TARGETS, Target
from imagefab.toolchains.blueprint import GLIBC_CLAIM, Blueprint

_UPSTREAM = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")


def libc_name(target: Target) -> str:
    return "musl" if target.is_musl else "glibc"


def libc_floor(lock: Lock, target: Target) -> str | None:
    """The upstream version, like `2.41`, the newest of all that programs may be linked against; None without a pin."""
    return max(_list_versions(lock, target), key=_order, default=None)


def check_claim(lock: Lock, blueprints: Sequence[Blueprint]) -> None:
    """OptionError when the recipe claims an older glibc than the lock pins."""
    claim = dict(blueprints[0].labels).get(GLIBC_CLAIM)
    found = libc_floor(lock, TARGETS[blueprints[0].target]) if claim else None
    if claim and found and _order(found) > _order(claim):
        suite = blueprints[0].archives[0].suite
        raise OptionError(
            f"{lock.recipe} claims glibc {claim}, but what it links may need {found}",
            option="glibc",
            hint=f"{suite} has glibc {found}: claim that, or take a base on an older suite",
        )


def _list_versions(lock: Lock, target: Target) -> Iterator[str]:
    for platform in lock.platforms:
        for pin in platform_pins(lock, platform.platform):
            found = _UPSTREAM.match(pin.version)
            if found and _is_libc(pin, target):
                yield found[1]


def _is_libc(pin: PackagePin, target: Target) -> bool:
    """The library itself, or the one that comes with the cross compiler."""
    if target.is_musl:
        return pin.name == "musl-dev"
    own = pin.name == "libc6" and pin.architecture == target.debian_arch
    return own or pin.name == f"libc6-{target.debian_arch}-cross"


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
