"""Find the place in a recipe, or in one of its bases, that caused a later error. For error messages only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagefab.errors import OptionError, OwnFileError, PackageError, RecipeError
from imagefab.recipe.model import Additions, OwnFileSpec, Recipe
from imagefab.recipe.project import Project
from imagefab.toml.document import read_document


def place_package(project: Project, recipe: Recipe, error: PackageError) -> RecipeError:
    """Place the error where the package is requested; unchanged if the recipe's kind requests it."""
    for path, additions in _list_files(project, recipe):
        for key, names in (("host", additions.host_packages), ("target", additions.target_packages)):
            for index, name in enumerate(names):
                asked = f"{name}:{recipe.target.debian_arch}" if key == "target" else name
                if error.package in (name, asked, f":{asked.partition(':')[2]}"):
                    document = read_document(path, project.show(path))
                    document.spot("packages", key, index).report(error.problem, error.hint)
                    return document.errors()[0]
    return error


def place_option(project: Project, recipe: Recipe, error: OptionError) -> RecipeError:
    """Place the error where the recipe chooses the option."""
    path = project.recipes_dir / f"{recipe.name}.toml"
    document = read_document(path, project.show(path))
    keys = (error.option,) if error.option in document.data else ("options", error.option)
    document.spot(*keys).report(error.problem, error.hint)
    return document.errors()[0]


def place_own_file(project: Project, recipe: Recipe, error: OwnFileError) -> RecipeError:
    """Place the error where the file is named: in an option, or in a source of the recipe or of a base."""
    for name, value in recipe.options:
        if value == error.path:
            return place_option(project, recipe, OptionError(error.problem, option=name, hint=error.hint))
    for path, additions in _list_files(project, recipe):
        for index, source in enumerate(additions.sources):
            if isinstance(source, OwnFileSpec) and source.path == error.path:
                document = read_document(path, project.show(path))
                document.spot("sources", index, "file").report(error.problem, error.hint)
                return document.errors()[0]
    return error


def _list_files(project: Project, recipe: Recipe) -> Iterator[tuple[Path, Additions]]:
    yield project.recipes_dir / f"{recipe.name}.toml", recipe.additions
    for base in reversed(recipe.bases):
        yield project.bases_dir / f"{base.name}.toml", base.additions
