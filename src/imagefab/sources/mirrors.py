"""Which hosts serve an archive: the project's settings say, else what this machine's apt uses, else the defaults.

Locks name archives and paths only; this is where hosts come in, and the only place. A wrong choice cannot do harm,
since every byte is checked against a signature or a lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from imagefab.errors import UsageError
from imagefab.sources.debian.control import parse_stanza, split_stanzas

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "debian": ("http://ftp.debian.org/debian",),
    "debian-security": ("http://security.debian.org/debian-security",),
    "snapshot": ("https://snapshot.debian.org",),
}
_ONE_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)")
# A third party's archive may also live in a folder named debian; its suites or components then look different.
_SUITE = re.compile(r"[a-z]+(?:[-/](?:updates|security|backports|proposed-updates))?\Z")


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


def find_mirrors(settings: Mapping[str, Sequence[str]] | None = None, *, apt: Path = Path("/etc/apt")) -> Mirrors:
    """The mirrors for this project on this machine; `settings` is imagefab.toml's [mirrors] table."""
    settings = settings or {}
    host = _read_apt_sources(apt)
    bases = {}
    for archive in {**DEFAULTS, **settings}:
        chosen = settings.get(archive) or host.get(archive) or DEFAULTS[archive]
        bases[archive] = tuple(_check_base(url, archive) for url in chosen)
    return Mirrors(bases=bases)


def _check_base(url: str, archive: str) -> str:
    if not _is_base(url):
        raise UsageError(
            f"{url!r} is no mirror for {archive}", hint="mirrors are http:// or https:// addresses of an archive's root"
        )
    return url.rstrip("/")


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        in_range = parts.port != 0
    except ValueError:
        return False
    good = parts.scheme in ("http", "https") and bool(parts.hostname)
    return good and in_range and not (parts.query or parts.fragment)


def _quote_path(path: str) -> str:
    """A pool path as a URL. Debian's file names hold `+` and `~`, which stand for themselves, and `%3a`, which does
    not stand for a colon but is the very name."""
    return quote(path, safe="/+~-._")


def _read_apt_sources(folder: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for uri, suites, components, signed_by in _list_apt_sources(folder):
        archive = uri.rstrip("/").rpartition("/")[2]
        is_debian = (
            archive in ("debian", "debian-security")
            and _is_base(uri)
            and "main" in components
            and all(_SUITE.match(suite) for suite in suites)
            and (not signed_by or "debian-archive" in signed_by)
        )
        if is_debian:
            found.setdefault(archive, {})[uri.rstrip("/")] = None
    return {archive: tuple(uris) for archive, uris in found.items()}


def _list_apt_sources(folder: Path) -> Iterable[tuple[str, list[str], list[str], str]]:
    """URI, suites, components and the signing key of every source; what cannot be read is left out."""
    parts = folder / "sources.list.d"
    for path in (folder / "sources.list", *sorted(parts.glob("*.list"))):
        for line in _read_text(path).splitlines():
            if match := _ONE_LINE.match(line.partition("#")[0].strip()):
                options, uri, suite, components = match.groups()
                signed_by = re.search(r"signed-by=(\S+)", options or "")
                yield uri, [suite], components.split(), signed_by[1] if signed_by else ""
    for path in sorted(parts.glob("*.sources")):
        text = "\n".join(line for line in _read_text(path).splitlines() if not line.startswith("#"))
        for stanza in split_stanzas(text):
            try:
                fields = {name.lower(): value for name, value in parse_stanza(stanza).items()}
            except ValueError:
                continue
            if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
                continue
            for uri in fields.get("uris", "").split():
                yield (
                    uri,
                    fields.get("suites", "").split(),
                    fields.get("components", "").split(),
                    fields.get("signed-by", ""),
                )


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
