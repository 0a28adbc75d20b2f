"""Find images on the registry that no record of a publication names any more, and delete them.

Whoever pins an image pins what some version of `published.toml` named, so the last versions of each record, as git has
them, say what has to stay. Only tags that `publish` makes are looked at: their form says so, and they never move.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imagefab.ci.revision import list_versions
from imagefab.digest import Digest
from imagefab.errors import StaleError, UsageError
from imagefab.files.plain import MOST_GENERATED
from imagefab.flows.workspace import Workspace
from imagefab.recipe.loader import list_recipes
from imagefab.records.published import PUBLISHED_NAME, Published, find_published, parse_published
from imagefab.registry.client import Client
from imagefab.registry.manifests import Manifests, fallback_tag
from imagefab.registry.reference import Repository
from imagefab.registry.tags import list_tags

_OWN_TAG = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsRequest:
    nights: int
    """How many of the last versions of each record keep what they name."""
    delete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An image that no record names."""

    repository: Repository
    tag: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found in a repository."""

    repository: Repository
    leftovers: tuple[Leftover, ...]


def survey_registry(workspace: Workspace, request: TagsRequest) -> Iterator[Survey]:
    """Yield each repository that a record names; with `delete`, after its leftovers are deleted."""
    workspace.require_own_project("the recipes that ship with imagefab are published nowhere")
    moving = workspace.project.settings.publish_tag
    for repository, named in _group(_list_records(workspace, request.nights)).items():
        client = workspace.registries.open(repository.host)
        survey = _survey(client, repository, named, moving)
        if request.delete:
            for leftover in survey.leftovers:
                _delete(client, leftover)
        yield survey


def _list_records(workspace: Workspace, nights: int) -> Iterator[Published]:
    """Yield the last versions of all records. A recipe that is gone has none: its images are left alone."""
    project, found = workspace.project, False
    for recipe in list_recipes(project):
        path = project.images_dir / recipe / PUBLISHED_NAME
        now = find_published(project, recipe)
        if now is None:
            continue
        found = True
        yield now
        for text in list_versions(project.root, path, most=nights, largest=MOST_GENERATED):
            try:
                yield parse_published(text.decode(errors="replace"), file=project.show(path), recipe=recipe)
            except StaleError as error:
                workspace.progress.warn(f"an older version of {project.show(path)} can't be read: {error.problem}")
    if not found:
        raise UsageError("nothing was published from here: no recipe has a published.toml")


def _group(records: Iterable[Published]) -> dict[Repository, list[Published]]:
    found: dict[Repository, list[Published]] = {}
    for published in records:
        found.setdefault(Repository.parse(published.name), []).append(published)
    return found


def _survey(client: Client, repository: Repository, named: list[Published], moving: str | None) -> Survey:
    tags = list_tags(client, repository)
    manifests = Manifests(client, repository)
    digests = {published.digest for published in named}
    if moving in tags and (target := manifests.find(moving)) is not None:
        digests.add(target.digest)
    names = {published.tag for published in named}
    leftovers = []
    for tag in sorted(tag for tag in tags if _OWN_TAG.match(tag) and tag not in names):
        manifest = manifests.find(tag)
        if manifest is not None and manifest.digest not in digests:
            leftovers.append(Leftover(repository=repository, tag=tag, digest=manifest.digest))
    return Survey(repository=repository, leftovers=tuple(leftovers))


def _delete(client: Client, leftover: Leftover) -> None:
    """Delete an image, and what is attached to it by tags. Its layers go when the registry collects its garbage."""
    manifests = Manifests(client, leftover.repository)
    attached = fallback_tag(leftover.digest)
    for tag in (attached, f"{attached}.sig", f"{attached}.att"):
        if (found := manifests.find(tag)) is not None:
            manifests.delete(found.digest)
    manifests.delete(leftover.digest)
