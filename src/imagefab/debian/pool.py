"""Fetches packages from an archive's pool, or from the snapshot archive if the pool no longer has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.fetch.fetcher import Download, Fetcher, hinting
from imagefab.fetch.mirrors import Mirrors


def fetch_packages(fetcher: Fetcher, archives: Iterable[ArchivePin], pins: Iterable[PackagePin], *, hint: str) -> None:
    """Fetch pinned packages into the store. The hint is for those that are gone."""
    by_name = {archive.name: archive for archive in archives}
    downloads = (package_download(fetcher.mirrors, by_name, pin) for pin in pins)
    with hinting(hint):
        fetcher.fetch_blobs(downloads, label="packages")


def package_download(mirrors: Mirrors, archives: Mapping[str, ArchivePin], pin: PackagePin) -> Download:
    archive = archives[pin.archive]
    return Download(
        label=f"{pin.name} {pin.version} ({pin.architecture})",
        digest=pin.sha256,
        size=pin.size,
        urls=mirrors.urls(archive.archive, pin.path),
        fallbacks=mirrors.snapshot_urls(archive.archive, pin.seen or archive.date, pin.path),
    )
