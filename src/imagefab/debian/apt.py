"""The mirrors for this machine: from the project's settings, else from its apt configuration, else the defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from imagefab.debian.control import parse_stanza, split_stanzas
from imagefab.errors import UsageError
from imagefab.fetch.mirrors import Mirrors

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "debian": ("http://ftp.debian.org/debian",),
    "debian-security": ("http://security.debian.org/debian-security",),
    "snapshot": ("https://snapshot.debian.org",),
}
_ONE_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)")
# A third-party archive may also be in a folder named debian; its suites or components then look different.
_SUITE = re.compile(r"[a-z]+(?:[-/](?:updates|security|backports|proposed-updates))?\Z")


def find_mirrors(settings: Mapping[str, Sequence[str]] | None = None, *, apt: Path = Path("/etc/apt")) -> Mirrors:
    """Return the mirrors for this project on this machine; `settings` is imagefab.toml's [mirrors] table."""
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
            f"{url!r} is not a mirror URL for {archive}",
            hint="mirrors are http:// or https:// addresses of an archive's root",
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
    """Yield URI, suites, components and the signing key of every source, skipping sources that cannot be parsed."""
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
