"""Chooses the version of Rust's libc crate whose types are compared with the C compiler's.

The best one is that of the toolchain's standard library: its types meet those of the crates that a project compiles.
The toolchain's sources name it, and some contain it. But where that is too old to be told how wide time is, or the
toolchain has no sources, it is a newer one, as projects have.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.crates import Crate
from imagefab.files.plain import BadFileError, is_there, read_text

PINNED = Crate(
    name="libc",
    version="0.2.191",
    digest=Digest("65cd87c9a6d60536580b316ad985726104730a5151c99845f2490428ef91240a"),
)
_OLDEST = (0, 2, 179)
"""The first version that reads the variables about time of both the GNU C library and musl."""
_SOURCE = Path("lib/rustlib/src/rust/library")
VENDOR = _SOURCE / "vendor"
"""Where a toolchain's sources have the crates that std needs."""

Fetch = Callable[[Crate], Path]
"""Returns a crate's archive. Raises FetchError if it can't be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibcCrate:
    version: str
    archive: Path | None
    """None if it is among the toolchain's own sources."""


def find_libc_crate(toolchain: Path, fetch: Fetch) -> LibcCrate:
    """Return the crate to compare with. Raises FetchError if none can be had."""
    own = read_crate_of_std(toolchain)
    if own is not None and _is_there(toolchain, own):
        return LibcCrate(version=own.version, archive=None)
    if own is not None:
        with suppress(FetchError):
            return LibcCrate(version=own.version, archive=fetch(own))
    return LibcCrate(version=PINNED.version, archive=fetch(PINNED))


def read_crate_of_std(toolchain: Path) -> Crate | None:
    """Return the crate that the toolchain's std has, if its sources name one that can be told how wide time is."""
    try:
        packages = tomllib.loads(read_text(toolchain / _SOURCE / "Cargo.lock"))["package"]
        found = next(package for package in packages if package["name"] == PINNED.name)
        version, digest = str(found["version"]), Digest(found["checksum"])
    except (OSError, BadFileError, ValueError, LookupError, TypeError, StopIteration):
        return None
    if not re.fullmatch(r"0\.2\.[0-9]{1,5}", version) or tuple(map(int, version.split("."))) < _OLDEST:
        return None
    return Crate(name=PINNED.name, version=version, digest=digest)


def _is_there(toolchain: Path, crate: Crate) -> bool:
    folders = (crate.folder, crate.name)
    return any(is_there(toolchain / VENDOR / folder / "Cargo.toml") for folder in folders)
