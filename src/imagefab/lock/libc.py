"""The C library that an image's binaries are linked against, as pinned by its lock.

Its version is an upper bound: no binary needs a newer one. What a binary really needs is only visible in the binary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from imagefab.debian.pin import PackagePin
from imagefab.errors import OptionError
from imagefab.lock.model import Lock
from imagefab.lock.staleness import platform_pins
from imagefab.recipe.target import TARGETS, Target
from imagefab.toolchains.blueprint import GLIBC_CLAIM, Blueprint

_PACKAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "musl": (("musl", r"musl-dev"),),
    "linux": (("glibc", r"libc6"),),
    "windows": (("mingw-w64", r"mingw-w64-.*-dev"),),
    "none": (("picolibc", r"picolibc-.*"), ("newlib", r"libnewlib.*-dev")),
    "avr": (("avr-libc", r"avr-libc"),),
    "wasi": (("wasi-libc", r"wasi-libc"),),
    "wasip2": (("wasi-libc", r"wasi-libc"),),
    "emscripten": (("emscripten", r"emscripten"),),
}
"""By operating system: the possible libraries, and the package that contains each."""
_UPSTREAM = re.compile(r"(?:\d+:)?(?:0\.0~git)?(\d{8}(?=\.)|\d+(?:\.\d+)*)")
"""A library that never had a version has its date."""


def find_libc(lock: Lock | None, target: Target) -> tuple[str | None, str | None]:
    """Return the name and upstream version, like `glibc` and `2.41`, of the newest that programs may be linked against.

    None for what is not known.
    """
    known = () if target.is_msvc else _PACKAGES.get("musl" if target.is_musl else target.os, ())
    for name, package in known:
        if versions := list(_list_versions(lock, target, package)):
            return name, max(versions, key=_order)
    return (known[0][0] if len(known) == 1 else None), None


def find_claim(blueprint: Blueprint) -> str | None:
    """Return the newest glibc that binaries may need, as the image claims."""
    return dict(blueprint.labels).get(GLIBC_CLAIM)


def check_claim(lock: Lock, blueprints: Sequence[Blueprint]) -> None:
    """OptionError if the recipe claims an older glibc than the lock pins."""
    claim = find_claim(blueprints[0])
    if claim is None or blueprints[0].has_own_libc:
        return
    _, found = find_libc(lock, TARGETS[blueprints[0].target])
    if found and _order(found) > _order(claim):
        suite = blueprints[0].archives[0].suite
        raise OptionError(
            f"{lock.recipe} claims glibc {claim}, but what it links may need {found}",
            option="glibc",
            hint=f"{suite} has glibc {found}: claim that, or use a base with an older suite",
        )


def _list_versions(lock: Lock | None, target: Target, package: str) -> Iterator[str]:
    for platform in lock.platforms if lock else ():
        for pin in platform_pins(lock, platform.platform):
            if _has_libc(pin, target, package) and (found := _UPSTREAM.match(pin.version)):
                yield found[1]


def _has_libc(pin: PackagePin, target: Target, package: str) -> bool:
    """Whether a package has the library. For glibc it is the target's own, or the cross compiler's."""
    if package == "libc6":
        own = pin.name == package and pin.architecture == target.debian_arch
        return own or pin.name == f"libc6-{target.debian_arch}-cross"
    return re.fullmatch(package, pin.name) is not None


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
