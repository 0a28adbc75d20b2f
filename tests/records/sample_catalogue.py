"""Catalogues for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from imagefab.digest import Digest
from imagefab.records.catalogue import Catalogue, Entry, PlatformEntry, Publication

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMESPACE = "ghcr.io/acme/images"


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def make_image(content: str, number: int, floor: str = "2.41") -> Publication:
    return Publication(
        published=day(number), digest=Digest.of_bytes(content.encode()), tag=f"tag-{content}", libc_floor=floor
    )


def make_entry(
    recipe: str = "one",
    content: str = "a",
    number: int = 1,
    *,
    namespace: str = NAMESPACE,
    floor: str = "2.41",
    **more: Any,
) -> Entry:
    """An entry for an image with some content, published on a day."""
    given: dict[str, Any] = {
        "description": f"the image {recipe}",
        "target": "aarch64-unknown-linux-gnu",
        "kind": "gcc",
        "runner": "qemu-user",
        "libc": "glibc",
        "platforms": (
            ("linux/amd64", PlatformEntry(manifest=Digest.of_bytes(content.encode()), size=5, facts={"gcc": "14.2.0"})),
        ),
        "updated": day(number),
    }
    return Entry(
        recipe=recipe, name=f"{namespace}/{recipe}", current=make_image(content, number, floor), **(given | more)
    )


def make_catalogue(*entries: Entry, updates: tuple[str, ...] = ()) -> Catalogue:
    return Catalogue(entries=tuple(sorted(entries, key=lambda entry: entry.recipe)), updates=updates)
