"""The Lock: everything that goes into an image, identified by its hash and its path in an archive, never by a host."""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLock:
    name: str
    packages: tuple[PackagePin, ...] = ()
    """Packages installed in this layer, on top of the layers before it; sorted by name and architecture."""
    extracts: tuple[PackagePin, ...] = ()
    """Packages from which single files are taken, without being installed."""


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
class Lock:
    recipe: str
    inputs: Digest
    """The digest of the recipe and of what its kind requests; a lock whose inputs differ from the recipe's is stale."""
    epoch: int
    """Seconds since 1970: the date of the base suite. Nothing in the image is newer."""
    archives: tuple[ArchivePin, ...]
    sources: tuple[SourcePin, ...]
    platforms: tuple[PlatformLock, ...]

    def find_source(self, name: str, platform: str) -> SourcePin | None:
        """Return the source that a host platform's image has by that name."""
        found = (pin for pin in self.sources if pin.name == name and pin.platform in (None, platform))
        return next(found, None)
