"""Fetches a recipe's sources into the store: from the web, through pip, or from the user's files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imagefab.digest import Digest
from imagefab.fetch.fetcher import Download, Fetcher, hinting
from imagefab.fetch.own import fetch_own_file
from imagefab.fetch.wheels import fetch_wheel
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import AnySource, OwnFileSpec, SourceSpec, WheelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSource:
    source: AnySource
    platform: HostPlatform
    digest: Digest
    """The digest in the lock."""


def fetch_sources(fetcher: Fetcher, wanted: Iterable[WantedSource]) -> None:
    web = []
    for one in wanted:
        match one.source:
            case SourceSpec(name=name, url=url):
                web.append(Download(label=name, digest=one.digest, size=None, urls=(url,)))
            case WheelSpec():
                fetch_wheel(fetcher, one.source, one.platform, one.digest)
            case OwnFileSpec():
                fetch_own_file(fetcher.store, one.source, one.digest, fetcher.own_files)
    with hinting("its `url` in the recipe no longer serves it"):
        fetcher.fetch_blobs(web, label="sources")
