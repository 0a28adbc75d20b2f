"""Which hosts serve an archive. Locks name archives and paths only; this is where hosts come in.

A wrong choice can do no harm, since every byte is checked against a signature or a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    bases: Mapping[str, tuple[str, ...]]
    """By archive: base URLs without a trailing slash, in the order in which they are tried."""

    def urls(self, archive: str, path: str) -> tuple[str, ...]:
        return tuple(f"{base}/{_quote_path(path)}" for base in self.bases.get(archive, ()))

    def snapshot_urls(self, archive: str, date: str, path: str) -> tuple[str, ...]:
        """Where the snapshot archive has a file as it was at that date."""
        return self.urls("snapshot", f"archive/{archive}/{date}/{path}")

    def of_snapshot(self, archive: str, date: str) -> Mirrors:
        """Where that archive is as it was at that date, and nothing else."""
        return Mirrors(bases={archive: self.urls("snapshot", f"archive/{archive}/{date}")})


def _quote_path(path: str) -> str:
    """A pool path as a URL. Debian's file names hold `+` and `~`, which stand for themselves, and `%3a`, which does
    not stand for a colon but is the very name."""
    return quote(path, safe="/+~-._")
