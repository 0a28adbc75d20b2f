"""Keep a namespace's catalogue on the registry.

Registries can't compare and swap, so whoever writes the catalogue may undo what another publisher just wrote. So each
publisher first pushes what it adds as an update, under a tag of its own that is never moved. Then it reads the
catalogue and the list of updates, merges them, and writes, until there is nothing to add to what it reads. Whoever
writes last looks last, and every update before its look is in what it wrote: nothing is lost, whoever is slow.

An entry stays as long as the registry has its image: others may pin it, also when this project has no such recipe.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from imagefab.attest.sign import Signer
from imagefab.digest import Digest
from imagefab.errors import FetchError, ImagefabError
from imagefab.flows.describe import find_image_libc
from imagefab.flows.prepare import Prepared, is_published, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.platforms import AMD64, HOST_PLATFORMS
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.model import Recipe
from imagefab.records.catalogue import (
    KIND,
    NAME,
    Catalogue,
    Entry,
    PlatformEntry,
    Publication,
    follow_entry,
    format_catalogue,
    is_update_tag,
    make_update_tag,
    merge_catalogues,
    parse_catalogue,
)
from imagefab.records.checked import Checked, find_checked
from imagefab.records.published import Published, list_published
from imagefab.registry.artifact import Artifacts
from imagefab.registry.client import Client
from imagefab.registry.probe import probe_images
from imagefab.registry.reference import Repository
from imagefab.toml.record import RecordError
from imagefab.toolchains.runners.table import make_runner

TAG = "latest"
_TITLE = "catalogue.json"
_ATTEMPTS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The catalogue after a publication."""

    catalogue: Catalogue
    reference: str
    has_changed: bool


# -- read --------------------------------------------------------------------------------------------------------------


def open_catalogue(client: Client, namespace: str) -> Artifacts:
    return Artifacts(client, Repository.parse(f"{namespace}/{NAME}"), kind=KIND, title=_TITLE)


def read_catalogue(client: Client, namespace: str, verify: Callable[[str], None] | None = None) -> Catalogue | None:
    """Read a namespace's catalogue; None if it has none. `verify` raises an error for one without a good signature."""
    found = open_catalogue(client, namespace).find(TAG)
    if found is None:
        return None
    if verify is not None:
        verify(f"{namespace}/{NAME}@{found.digest}")
    return _parse(found.data, f"{namespace}/{NAME}:{TAG}")


def _parse(data: bytes, shown: str) -> Catalogue:
    try:
        return parse_catalogue(data)
    except RecordError as error:
        raise FetchError(f"{shown}: {error}", hint="a newer imagefab may read it; else publish again") from None


# -- write -------------------------------------------------------------------------------------------------------------


class Keeper:
    """Keeps one namespace's catalogue."""

    def __init__(self, client: Client, namespace: str, progress: Progress, signer: Signer | None) -> None:
        self._client = client
        self._namespace = namespace
        self._progress = progress
        self._signer = signer
        self._artifacts = open_catalogue(client, namespace)
        self._documents: dict[str, Catalogue] = {}
        """Updates that were read, by tag."""
        self._untrusted: set[str] = set()
        self._lost: dict[str, bool] = {}
        """Whether an image is gone, by reference."""

    def read(self) -> Catalogue:
        """The catalogue as it is, which is empty if there is none that can be trusted."""
        return self._read(TAG)[0] or Catalogue()

    def keep(self, entries: Iterable[Entry], now: datetime, *, look_up: bool) -> Kept:
        """Add entries. With `look_up`, drop those whose image the registry has lost."""
        found, digest = self._read(TAG)
        base = found or Catalogue()
        own = [follow_entry(base.find(entry.recipe), entry) for entry in entries]
        new = Catalogue(entries=tuple(entry for entry in own if entry != base.find(entry.recipe)))
        if new.entries:
            new = replace(new, updates=(make_update_tag(new.entries, now),))
            self._push(format_catalogue(new), new.updates[0])
        before = digest
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._client.pause(random.uniform(0, 2 * self._client.patience.pause))  # noqa: S311
                found, digest = self._read(TAG)
            merged = self._merge(found or Catalogue(), new, look_up=look_up)
            if found is not None and merged == found:
                reference = f"{self._namespace}/{NAME}@{digest}"
                return Kept(catalogue=merged, reference=reference, has_changed=digest != before)
            if found is None and not merged.entries:
                return Kept(catalogue=merged, reference="", has_changed=False)
            self._push(format_catalogue(merged), TAG)
        raise FetchError(
            f"{self._namespace}/{NAME} changes faster than it can be written", hint="publish again: what is there stays"
        )

    def _merge(self, found: Catalogue, new: Catalogue, *, look_up: bool) -> Catalogue:
        tags = sorted(tag for tag in self._artifacts.list_tags() if is_update_tag(tag) and not found.knows(tag))
        updates = [update for tag in tags if (update := self._read_update(tag)) is not None]
        merged = merge_catalogues(found, *updates, new)
        return self._drop_lost(merged) if look_up else merged

    def _drop_lost(self, catalogue: Catalogue) -> Catalogue:
        unknown = {entry.reference: entry.recipe for entry in catalogue.entries if entry.reference not in self._lost}
        probed = probe_images(unknown, lambda host: self._client, self._progress.warn)
        self._lost |= {reference: reference in probed.lost for reference in unknown}
        left = [entry for entry in catalogue.entries if not self._lost[entry.reference]]
        for entry in catalogue.entries:
            if self._lost[entry.reference] and entry.reference in unknown:
                self._progress.warn(f"{entry.reference} is gone from the registry, so the catalogue no longer has it")
        return replace(catalogue, entries=tuple(left))

    def _read_update(self, tag: str) -> Catalogue | None:
        if tag not in self._documents and tag not in self._untrusted:
            found, _ = self._read(tag)
            if found is None:
                self._untrusted.add(tag)
            else:
                self._documents[tag] = replace(found, updates=(tag,))
        return self._documents.get(tag)

    def _read(self, tag: str) -> tuple[Catalogue | None, Digest | None]:
        """A document, and its digest. One that is not signed with the key that this run signs with is not used."""
        found = self._artifacts.find(tag, to_write=True)
        if found is None:
            return None, None
        shown = f"{self._namespace}/{NAME}:{tag}"
        if self._signer is not None and not self._signer.has_signed(f"{self._namespace}/{NAME}@{found.digest}"):
            self._progress.warn(f"{shown} is not signed with this key, so what it says is left out")
            return None, found.digest
        return _parse(found.data, shown), found.digest

    def _push(self, data: bytes, tag: str) -> None:
        digest = self._artifacts.push(data)
        if self._signer is not None:
            self._signer.sign(f"{self._namespace}/{NAME}@{digest}", None)
        self._artifacts.tag(data, tag)


# -- a project's entries -----------------------------------------------------------------------------------------------


def list_entries(
    workspace: Workspace,
    namespace: str,
    known: Catalogue,
    delivered: Mapping[str, tuple[Prepared, Published]],
) -> list[Entry]:
    """Entries for what this run published, and for what is on record and not in the catalogue, as after a failure."""
    entries = [
        _make_entry(workspace, prepared.recipe, prepared, published, _choose_date(known, published, workspace.now))
        for prepared, published in delivered.values()
    ]
    project = workspace.project
    for recipe, published in list_published(project, list_recipes(project), workspace.progress).items():
        if recipe in delivered or published.name != f"{namespace}/{recipe}":
            continue
        if _has(known.find(recipe), published.digest, is_default=recipe in project.settings.publish_defaults):
            continue
        try:
            (loaded,) = workspace.load_recipes([recipe])
        except ImagefabError as error:
            workspace.progress.warn(f"{recipe} is left out of the catalogue: {error}")
            continue
        entries.append(_make_entry(workspace, loaded, _find_prepared(workspace, loaded, published), published, None))
    return entries


def _has(entry: Entry | None, digest: Digest, *, is_default: bool) -> bool:
    if entry is None or (entry.digest == digest and entry.default != is_default):
        return False
    return digest in {one.digest for one in entry.images}


def _choose_date(known: Catalogue, published: Published, now: datetime) -> datetime | None:
    """When an image that was just published became the current one. It may be an earlier one again."""
    recipe = published.name.rpartition("/")[2]
    entry = known.find(recipe)
    is_return = entry is not None and entry.digest != published.digest
    return now if is_return or published.when is None else None


def _find_prepared(workspace: Workspace, recipe: Recipe, published: Published) -> Prepared | None:
    """The recipe as it was when it was published, if it still is that."""
    try:
        prepared = prepare_recipe(workspace.project, recipe)
    except ImagefabError:
        return None
    return prepared if is_published(prepared, published, published.name) else None


def _make_entry(
    workspace: Workspace, recipe: Recipe, prepared: Prepared | None, published: Published, when: datetime | None
) -> Entry:
    project = workspace.project
    checked = find_checked(project, recipe.name, workspace.progress)
    libc = None if prepared is None else find_image_libc(prepared)
    date = when or published.when or datetime.fromtimestamp(0, UTC)
    manifests = {name: image.manifest for name, image in published.images} or {
        platform.name: published.digest for platform in published.platforms
    }
    main = AMD64.name if AMD64.name in manifests else next(iter(manifests))
    return Entry(
        recipe=recipe.name,
        description=recipe.description,
        name=published.name,
        current=Publication(
            published=date.replace(microsecond=0),
            digest=published.digest,
            tag=published.tag,
            libc_floor=None if libc is None else libc.floor,
        ),
        target=recipe.target.triple,
        kind=recipe.kind,
        runner=make_runner(recipe, HOST_PLATFORMS[main]).name,
        libc=None if libc is None else libc.name,
        default=recipe.name in project.settings.publish_defaults,
        platforms=tuple((name, _make_platform(digest, checked.get(name))) for name, digest in manifests.items()),
        updated=workspace.now.replace(microsecond=0),
    )


def _make_platform(manifest: Digest, checked: Checked | None) -> PlatformEntry:
    if checked is None or checked.manifest != manifest:
        return PlatformEntry(manifest=manifest)
    return PlatformEntry(
        manifest=manifest,
        size=checked.size,
        passed=checked.passed,
        failed=checked.failed,
        skipped=checked.skipped,
        facts=checked.facts,
    )
