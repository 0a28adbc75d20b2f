"""Which recipes there is work for: those that a change touches, and those that are not published as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from imagefab.factory import Prepared, dockerfile_path, lock_path
from imagefab.pinning import find_published
from imagefab.recipe.model import OwnFileSpec, Recipe
from imagefab.recipe.project import Project


def is_touched(project: Project, recipe: Recipe, changed: Set[Path]) -> bool:
    """Whether a file is among those that the recipe's image is made from, or that people review of it.

    What checks found and what was published are records: they change no image.
    """
    return not changed.isdisjoint(_list_files(project, recipe))


def is_published(project: Project, prepared: Prepared, to: str) -> bool:
    """Whether that place has the recipe's image as it is now, for all of its host platforms."""
    published = find_published(project, prepared.recipe.name)
    if published is None or published.name != f"{to}/{prepared.recipe.name}":
        return False
    plans = {platform: image.plan for platform, image in published.images}
    return plans == {plan.platform.name: plan.key for plan in prepared.plans}


def _list_files(project: Project, recipe: Recipe) -> Iterator[Path]:
    yield project.root / recipe.file
    yield lock_path(project, recipe.name)
    yield dockerfile_path(project, recipe.name)
    for base in recipe.bases:
        yield project.bases_dir / f"{base.name}.toml"
    for additions in (recipe.additions, *(base.additions for base in recipe.bases)):
        for source in additions.sources:
            if isinstance(source, OwnFileSpec):
                yield Path(source.path)
