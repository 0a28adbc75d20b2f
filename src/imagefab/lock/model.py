"""The Lock: everything that goes into an image, identified by its hash and its path in an archive, never by a host.

It is written in parts: each base has a file with its own layer, which all images on it share, and a recipe's file has
the rest, and the checksum of its base's. `Lock` is both: one file's part, and all of an image's parts joined.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.recipe.model import base_of

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLock:
    name: str
    packages: tuple[PackagePin, ...] = ()
    """Packages installed in this layer, on top of the layers before it; sorted by name and architecture."""
    extracts: tuple[PackagePin, ...] = ()
    """Packages from which single files are taken, without being installed."""

    def __hash__(self) -> int:
        """Layers are looked up often, and few have one name and as many packages."""
        return hash((self.name, len(self.packages), len(self.extracts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePin:
    name: str
    sha256: Digest
    platform: str | None = None
    """The host platform that it is for, if the source differs between platforms."""
    wheel: str | None = None
    """For a wheel: its project and version, like `ziglang==0.15.1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLock:
    platform: str
    layers: tuple[LayerLock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePin:
    """The state of a base's lock that another lock was made on."""

    name: str
    checksum: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    recipe: str
    """The recipe's name, or for a base's lock `bases/<base>`."""
    inputs: Digest
    """The digest of the recipe and of what its kind requests; a lock whose inputs differ from the recipe's is stale."""
    epoch: int
    """Seconds since 1970: the date of the base suite. Nothing in the image is newer."""
    archives: tuple[ArchivePin, ...]
    sources: tuple[SourcePin, ...]
    platforms: tuple[PlatformLock, ...]
    bases: tuple[BasePin, ...] = ()
    """The bases whose locks it was joined with, root first; empty if all is in one file."""

    def find_source(self, name: str, platform: str) -> SourcePin | None:
        """Return the source that a host platform's image has by that name."""
        found = (pin for pin in self.sources if pin.name == name and pin.platform in (None, platform))
        return next(found, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """What one file says."""

    own: Lock
    """What the file itself has. Its epoch is the base's, if it has one."""
    base: BasePin | None = None
    """What it stands on. Without, a recipe's file has the layers of its bases too."""
    format: int = FORMAT

    @property
    def is_of_base(self) -> bool:
        return base_of(self.own.recipe) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedBase:
    """The base that a lock is made on."""

    pin: BasePin
    lock: Lock
    """Joined with those of the bases below it."""
