"""The catalogue: which images a namespace on a registry has. It is published there, so that users need no checkout.

Several publishers write to one catalogue, and no registry can compare and swap. So merging is a union: it gives the
same whatever is merged first, or twice, and it loses nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from imagefab.digest import Digest, canonical_json
from imagefab.platforms import HOST_PLATFORMS, HostPlatform
from imagefab.registry.reference import is_repository
from imagefab.toml.record import Record, RecordError

SCHEMA = 1
NAME = "catalogue"
"""The repository in a namespace that has the catalogue."""
KIND = "application/vnd.imagefab.catalogue.v1+json"
_MOST_EARLIER = 50
_MOST_UPDATES = 200
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_WORD = re.compile(r"[A-Za-z0-9+._-]+\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z|\Z")
_LINE = re.compile(r"[^\x00-\x1f\x7f]{0,500}\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformEntry:
    """One host platform's image."""

    manifest: Digest
    size: int | None = None
    """Compressed; None if it is not known."""
    passed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """What probes found: the versions of tools, the C library that programs need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An image of a recipe, and since when it was the current one."""

    published: datetime
    digest: Digest
    tag: str = ""
    libc_floor: str | None = None
    """The newest version of the C library that programs linked in it may need, if it is known."""

    @property
    def order(self) -> tuple[datetime, Digest]:
        return self.published, self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recipe's image."""

    recipe: str
    description: str
    name: str
    """Registry, namespace and name."""
    current: Publication
    target: str
    kind: str
    runner: str
    libc: str | None = None
    default: bool = False
    """Whether the project chose it among several for its target."""
    platforms: tuple[tuple[str, PlatformEntry], ...]
    updated: datetime
    """When this entry was written."""
    replaced: tuple[Publication, ...] = ()
    """Earlier images, newest first."""

    @property
    def digest(self) -> Digest:
        return self.current.digest

    @property
    def images(self) -> tuple[Publication, ...]:
        """All that are known, newest first."""
        return self.current, *self.replaced

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def host_platforms(self) -> tuple[HostPlatform, ...]:
        return tuple(one for name, one in HOST_PLATFORMS.items() if name in dict(self.platforms))

    @property
    def order(self) -> tuple[datetime, bytes]:
        """Of two entries for the same image, the greater one is newer."""
        return self.updated, canonical_json(_describe_entry(replace(self, replaced=())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    entries: tuple[Entry, ...] = ()
    """Sorted by recipe."""
    updates: tuple[str, ...] = ()
    """The tags of the updates that it has, newest first."""

    def find(self, recipe: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.recipe == recipe), None)

    def choose_default(self, triple: str) -> Entry | None:
        """The recipe for a target: the one that the project chose, or else the one with the shortest name."""
        return choose_default([entry for entry in self.entries if entry.target == triple])

    def knows(self, update: str) -> bool:
        """Whether it has an update. Those that are older than all that it lists were merged long ago."""
        is_full = len(self.updates) >= _MOST_UPDATES
        return update in self.updates or (is_full and update < self.updates[-1])


def choose_default(rivals: Sequence[Entry]) -> Entry | None:
    chosen = [entry for entry in rivals if entry.default] or rivals
    return min(chosen, key=lambda entry: (len(entry.recipe), entry.recipe), default=None)


# -- merging -----------------------------------------------------------------------------------------------------------


def merge_catalogues(*catalogues: Catalogue) -> Catalogue:
    entries: dict[str, Entry] = {}
    for entry in (entry for one in catalogues for entry in one.entries):
        known = entries.get(entry.recipe)
        entries[entry.recipe] = entry if known is None else merge_entries(known, entry)
    updates = sorted({tag for one in catalogues for tag in one.updates}, reverse=True)
    return Catalogue(
        entries=tuple(entries[recipe] for recipe in sorted(entries)), updates=tuple(updates[:_MOST_UPDATES])
    )


def merge_entries(one: Entry, other: Entry) -> Entry:
    """Merge two entries for a recipe: the image published last is the current one, the others are what it replaced."""
    known: dict[tuple[datetime, Digest], Publication] = {}
    for image in (*one.images, *other.images):
        twin = known.get(image.order, image)
        known[image.order] = max(image, twin, key=lambda one: (one.tag, one.libc_floor or ""))
    first, *others = [known[order] for order in sorted(known, reverse=True)]
    body = max((entry for entry in (one, other) if entry.current.order == first.order), key=lambda entry: entry.order)
    return replace(body, current=first, replaced=tuple(others[:_MOST_EARLIER]))


def follow_entry(known: Entry | None, entry: Entry) -> Entry:
    """The new entry of a recipe that has one: unchanged if it says the same, and with the date of the same image."""
    if known is None or known.digest != entry.digest:
        return entry
    current = replace(known.current, libc_floor=entry.current.libc_floor or known.current.libc_floor)
    same = replace(entry, current=current, replaced=known.replaced, updated=known.updated)
    return known if same == known else replace(same, updated=entry.updated)


# -- JSON --------------------------------------------------------------------------------------------------------------


def describe_catalogue(catalogue: Catalogue) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "images": [_describe_entry(entry) for entry in catalogue.entries],
        "updates": list(catalogue.updates),
    }


def format_catalogue(catalogue: Catalogue) -> bytes:
    return json.dumps(describe_catalogue(catalogue), indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _describe_entry(entry: Entry) -> dict[str, Any]:
    return {
        "recipe": entry.recipe,
        "description": entry.description,
        "target": entry.target,
        "kind": entry.kind,
        "runner": entry.runner,
        "libc": entry.libc,
        "default": entry.default,
        "reference": entry.reference,
        **_describe_publication(entry.current),
        "updated": entry.updated.strftime(_TIME),
        "platforms": {name: _describe_platform(one) for name, one in entry.platforms},
        "replaced": [_describe_publication(one) for one in entry.replaced],
    }


def _describe_publication(one: Publication) -> dict[str, Any]:
    return {
        "digest": str(one.digest),
        "tag": one.tag,
        "published": one.published.strftime(_TIME),
        "libc_floor": one.libc_floor,
    }


def _describe_platform(one: PlatformEntry) -> dict[str, Any]:
    return {
        "manifest": str(one.manifest),
        "size": one.size,
        "passed": list(one.passed),
        "failed": list(one.failed),
        "skipped": list(one.skipped),
        "facts": dict(one.facts),
    }


def parse_catalogue(data: bytes) -> Catalogue:
    """Read a catalogue, ignoring unknown keys. Raises RecordError if it is invalid, or of a later schema."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise RecordError("is not JSON") from None
    if not isinstance(value, dict):
        raise RecordError("is not an object")
    record = Record(value)
    if record.number("schema") != SCHEMA:
        raise record.error(f"is not {SCHEMA}; another version of imagefab wrote it", "schema")
    found = {entry.recipe: entry for entry in record.each("images", _read_entry)}
    return Catalogue(
        entries=tuple(found[recipe] for recipe in sorted(found)), updates=record.texts("updates", _WORD)[:_MOST_UPDATES]
    )


def _read_entry(record: Record) -> Entry:
    current = _read_publication(record)
    name, _, digest = record.text("reference", _LINE).partition("@")
    recipe = record.text("recipe", _WORD)
    if not is_repository(name) or name.rpartition("/")[2] != recipe or digest != str(current.digest):
        raise record.error("is not this recipe's image by digest", "reference")
    platforms = tuple((key, _read_platform(one)) for key, one in record.tables("platforms") if key in HOST_PLATFORMS)
    if not platforms:
        raise record.error(f"are not host platforms ({', '.join(HOST_PLATFORMS)})", "platforms")
    return Entry(
        recipe=recipe,
        description=record.text("description", _LINE),
        name=name,
        current=current,
        target=record.text("target", _WORD),
        kind=record.text("kind", _WORD),
        runner=record.text("runner", _LINE),
        libc=_read_optional(record, "libc"),
        default=record.flag("default"),
        platforms=platforms,
        updated=_read_time(record, "updated"),
        replaced=record.each("replaced", _read_publication)[:_MOST_EARLIER],
    )


def _read_publication(record: Record) -> Publication:
    return Publication(
        published=_read_time(record, "published"),
        digest=record.digest("digest"),
        tag=record.text("tag", _TAG),
        libc_floor=_read_optional(record, "libc_floor"),
    )


def _read_platform(record: Record) -> PlatformEntry:
    return PlatformEntry(
        manifest=record.digest("manifest"),
        size=record.number("size") if record.has("size") else None,
        passed=record.texts("passed", _WORD),
        failed=record.texts("failed", _WORD),
        skipped=record.texts("skipped", _WORD),
        facts=record.texts_by_name("facts", _WORD),
    )


def _read_optional(record: Record, key: str) -> str | None:
    return record.text(key, _WORD) if record.has(key) else None


def _read_time(record: Record, key: str) -> datetime:
    try:
        return datetime.strptime(record.text(key, _DATE), _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise error if isinstance(error, RecordError) else record.error("is not a date", key) from None


# -- updates -----------------------------------------------------------------------------------------------------------

_UPDATE = re.compile(r"update-\d{8}T\d{6}Z-[0-9a-f]{12}\Z")


def make_update_tag(entries: Iterable[Entry], now: datetime) -> str:
    """The tag of an update. It begins with the date, so that tags are in the order of time."""
    digest = Digest.of_json([_describe_entry(entry) for entry in entries])
    return f"update-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{digest.short}"


def is_update_tag(tag: str) -> bool:
    return _UPDATE.match(tag) is not None
