"""Projects that are copies of the shipped one, with fewer recipes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from imagefab.recipe.project import find_shipped_project


def copy_project(root: Path, names: Iterable[str]) -> None:
    """A project with some of the shipped recipes, and all of the bases, with their locks, and schemas."""
    shipped = find_shipped_project()
    shutil.copytree(shipped.bases_dir, root / "recipes" / "bases")
    for schema in shipped.recipes_dir.glob("*.json"):
        shutil.copy(schema, root / "recipes")
    shutil.copytree(shipped.images_dir / "bases", root / "images" / "bases")
    for name in names:
        shutil.copy(shipped.recipes_dir / f"{name}.toml", root / "recipes")
        shutil.copytree(shipped.images_dir / name, root / "images" / name)
