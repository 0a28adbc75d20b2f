"""Select recipes that need work: those that a change touches, and those not published as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from imagefab.ci.revision import list_changed
from imagefab.errors import UsageError
from imagefab.flows.prepare import base_lock_path, dockerfile_path, is_published, lock_path
from imagefab.flows.workspace import Workspace
from imagefab.recipe.model import OwnFileSpec, Recipe
from imagefab.recipe.project import Project
from imagefab.records.published import find_published


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectRequest:
    recipes: tuple[str, ...] | None
    """None means all."""
    platforms: tuple[str, ...] = ()
    """Empty means all that each recipe has."""
    changed_since: str | None = None
    """A Git revision: only recipes whose files differ from it."""
    unpublished: bool = False
    """Only recipes not on record as published as they are now."""


def select(workspace: Workspace, request: SelectRequest) -> dict[str, Sequence[str]]:
    """The selected recipes, with the host platforms of each."""
    return {
        recipe.name: [name for name in recipe.platforms if not request.platforms or name in request.platforms]
        for recipe in workspace.load_recipes(_select_names(workspace, request))
    }


def _select_names(workspace: Workspace, request: SelectRequest) -> Sequence[str] | None:
    """The names of recipes; None means all."""
    project = workspace.project
    names: Sequence[str] | None = request.recipes
    if request.changed_since is not None or request.unpublished:
        workspace.require_own_project("nothing in it could have changed")
    if request.changed_since is not None:
        changed = list_changed(project.root, request.changed_since)
        names = [recipe.name for recipe in workspace.load_recipes(names) if is_touched(project, recipe, changed)]
    if request.unpublished:
        to = project.settings.publish_to
        if to is None:
            raise UsageError("no registry given", hint="set `[publish] to` in imagefab.toml")
        names = [
            one.recipe.name
            for one in workspace.prepare(names)
            if not is_published(one, find_published(project, one.recipe.name), f"{to}/{one.recipe.name}")
        ]
    return names


def is_touched(project: Project, recipe: Recipe, changed: Set[Path]) -> bool:
    """Whether a changed file is one that the recipe's image is made from, or that people review.

    Check results and published.toml are records: they change no image.
    """
    return not changed.isdisjoint(_list_files(project, recipe))


def _list_files(project: Project, recipe: Recipe) -> Iterator[Path]:
    yield project.root / recipe.file
    yield lock_path(project, recipe.name)
    yield dockerfile_path(project, recipe.name)
    for base in recipe.bases:
        yield base_lock_path(project, base.name)
        yield project.bases_dir / f"{base.name}.toml"
    for additions in (recipe.additions, *(base.additions for base in recipe.bases)):
        for source in additions.sources:
            if isinstance(source, OwnFileSpec):
                yield Path(source.path)
