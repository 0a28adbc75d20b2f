"""The C library that an image's binaries are linked against, as its lock pins it.

Its version is a bound: no binary needs a newer one. What each really needs, only a look at it can tell.
"""

from __future__ import annotations

import re

from imagefab.lock.model import Lock
from imagefab.lock.staleness import platform_pins
from imagefab.recipe.target import Target

_PACKAGES: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {
    "musl": (("musl", re.compile(r"musl-dev")),),
    "gnu": (("glibc", re.compile(r"libc6")),),
    "windows": (("mingw-w64", re.compile(r"mingw-w64-.*-dev")),),
    "none": (("picolibc", re.compile(r"picolibc-.*")), ("newlib", re.compile(r"libnewlib.*-dev"))),
    "wasi": (("wasi-libc", re.compile(r"wasi-libc")),),
    "emscripten": (("emscripten", re.compile(r"emscripten")),),
}
_UPSTREAM = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")


def find_libc(lock: Lock | None, target: Target) -> tuple[str | None, str | None]:
    """Its name and upstream version, like `glibc` and `2.41`; None for what is not known."""
    known = _PACKAGES.get("musl" if target.is_musl else "gnu" if target.os == "linux" else target.os, ())
    pins = [pin for p in lock.platforms for pin in platform_pins(lock, p.platform)] if lock else []
    for name, package in known:
        for pin in pins:
            if package.fullmatch(pin.name) and (found := _UPSTREAM.match(pin.version)):
                return name, found[1]
    return (known[0][0] if len(known) == 1 else None), None
