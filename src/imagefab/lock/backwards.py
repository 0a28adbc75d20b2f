"""Refuse locks that go back in time: to an older state of an archive, or to older versions of packages.

An archive's old states stay validly signed for years. An attacker who can answer for a mirror, or hold one back, could
pass them off as current, with security holes that have since been closed. A lock knows what was there before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.debian.version import version_key
from imagefab.errors import FetchError
from imagefab.lock.model import Lock
from imagefab.lock.staleness import platform_pins

_MOST_SHOWN = 20


def refuse_older_archives(old: Lock | None, now: Iterable[ArchivePin]) -> None:
    """FetchError if a mirror's state of a suite is older than the one that the lock was made from."""
    before = {(pin.archive, pin.suite): pin for pin in old.archives} if old is not None else {}
    for pin in now:
        known = before.get((pin.archive, pin.suite))
        if known is not None and pin.date < known.date:
            raise FetchError(
                f"{pin.suite}: the mirror has the archive of {_format_date(pin.date)}, and the lock is of"
                f" {_format_date(known.date)}",
                hint="the mirror is outdated or held back: try another, or later; --allow-downgrade goes back anyway",
            )


def refuse_older_packages(old: Lock | None, new: Lock) -> None:
    """FetchError, listing the packages, if any from a suite in both locks would go back to an older version."""
    if old is None:
        return
    suites = {archive.name: (archive.archive, archive.suite) for archive in new.archives}
    same = {one.name for one in old.archives if suites.get(one.name) == (one.archive, one.suite)}
    older: dict[str, None] = {}
    for platform in new.platforms:
        before = _list_versions(pin for pin in platform_pins(old, platform.platform) if pin.archive in same)
        for name, versions in _list_versions(platform_pins(new, platform.platform)).items():
            for was, now in zip(before.get(name, ()), versions, strict=False):
                if version_key(now) < version_key(was):
                    older[f"{name} {was} → {now}"] = None
    if older:
        lines = [f"  {line}" for line in older]
        more = [f"  and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
        raise FetchError(
            "\n".join([f"{new.recipe}: packages would go back to older versions", *lines[:_MOST_SHOWN], *more]),
            hint=f"to go back on purpose: `imagefab lock --upgrade --allow-downgrade {new.recipe}`",
        )


def _list_versions(pins: Iterable[PackagePin]) -> Mapping[str, list[str]]:
    """List versions by name and architecture, newest first: one may be installed, and another only extracted from."""
    found: dict[str, set[str]] = defaultdict(set)
    for pin in pins:
        found[f"{pin.name}:{pin.architecture}"].add(pin.version)
    return {name: sorted(versions, key=version_key, reverse=True) for name, versions in found.items()}


def _format_date(date: str) -> str:
    """Format a date like `20260912T075541Z` for people."""
    return f"{date[:4]}-{date[4:6]}-{date[6:8]} {date[9:11]}:{date[11:13]}"
