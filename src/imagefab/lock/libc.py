"""The C library that an image's binaries are linked against, as its lock pins it.

Its version is a bound: no binary needs a newer one. What each really needs, only a look at it can tell.
"""

from __future__ import annotations

import re

from imagefab.lock.model import Lock
from imagefab.lock.staleness import platform_pins
from imagefab.recipe.target import Target

_PACKAGES = {"glibc": "libc6", "musl": "musl-dev"}
_UPSTREAM = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)*)")


def libc_name(target: Target) -> str:
    return "musl" if target.is_musl else "glibc"


def libc_floor(lock: Lock, target: Target) -> str | None:
    """The upstream version, like `2.41`; None when the lock pins none."""
    package = _PACKAGES[libc_name(target)]
    pins = (pin for platform in lock.platforms for pin in platform_pins(lock, platform.platform))
    version = next((pin.version for pin in pins if pin.name == package), "")
    found = _UPSTREAM.match(version)
    return found[1] if found else None
