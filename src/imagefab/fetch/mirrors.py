"""The hosts that serve an archive. Locks contain only archive names and paths, which this module maps to hosts.

A wrong choice does no harm, since every byte is verified against a signature or a lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    bases: Mapping[str, tuple[str, ...]]
    """By archive: base URLs without a trailing slash, in the order to try them."""

    def urls(self, archive: str, path: str) -> tuple[str, ...]:
        return tuple(f"{base}/{_quote_path(path)}" for base in self.bases.get(archive, ()))

    def snapshot_urls(self, archive: str, date: str, path: str) -> tuple[str, ...]:
        """Return the URLs of a file in the snapshot archive at that date."""
        return self.urls("snapshot", f"archive/{archive}/{date}/{path}")

    def of_snapshot(self, archive: str, date: str) -> Mirrors:
        """Return the mirrors of an archive's state at that date, and of nothing else."""
        return Mirrors(bases={archive: self.urls("snapshot", f"archive/{archive}/{date}")})


def _quote_path(path: str) -> str:
    """Quote a pool path for a URL.

    Debian's file names contain `+` and `~`, which stay as they are, and a literal `%3a`, which must be quoted.
    """
    return quote(path, safe="/+~-._")
