"""What was read of an archive, and what is taken from it: named so that the same bytes can be had again."""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePin:
    """The state of one suite that was read."""

    name: str
    archive: str
    suite: str
    components: tuple[str, ...]
    date: str
    """The Release file's Date as `YYYYMMDDTHHMMSSZ`: the name of that moment in the snapshot archive."""
    release: Digest
    """Of the InRelease file, which names the indexes by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePin:
    name: str
    version: str
    architecture: str
    archive: str
    """The ArchivePin's name."""
    path: str
    """Inside the archive: `pool/main/…`."""
    size: int
    sha256: Digest
    seen: str | None = None
    """When the archive has moved on without it: the date at which the suite last had it."""

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[-1]
