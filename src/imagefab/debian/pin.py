"""Pins: which state of an archive was read and what was taken from it, so that the same bytes can be fetched again."""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePin:
    """The state in which a suite was read."""

    name: str
    archive: str
    suite: str
    components: tuple[str, ...]
    date: str
    """The Release file's Date as `YYYYMMDDTHHMMSSZ`, which names that time in the snapshot archive."""
    release: Digest
    """The digest of the InRelease file, which names the indexes by hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagePin:
    name: str
    version: str
    architecture: str
    archive: str
    """The name of the ArchivePin."""
    path: str
    """The path in the archive: `pool/main/…`."""
    size: int
    sha256: Digest
    seen: str | None = None
    """If the archive no longer has it, the date at which the suite last had it."""

    @property
    def file_name(self) -> str:
        return self.path.rsplit("/", 1)[-1]
