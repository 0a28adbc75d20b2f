"""The files that a new project starts with. None replaces an existing file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from imagefab.errors import UsageError
from imagefab.files.disk import DiskError, make_folder, write_new
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.new import copy_bases
from imagefab.recipe.project import SETTINGS_FILE, Project
from imagefab.recipe.rules import KindRules
from imagefab.recipe.schema import render_schemas

FIRST_RECIPE = "aarch64-musl"

_PUBLISH = """\
[publish]
to = "{to}"
layers = "{to}/layers"
"""
_NOWHERE = """\
# [publish]
# to = "ghcr.io/example/images"
# layers = "ghcr.io/example/images/layers"
"""
_SETTINGS = f"""\
#:schema ./recipes/imagefab.schema.json
# The settings of this project. All of them can be left out.

# Where packages are fetched from, by archive; several are tried in turn. Whoever serves them, every byte is checked
# against the lock. Without this, the mirrors of the machine's own apt serve, else Debian's.
# [mirrors]
# debian = ["https://mirror.example.org/debian"]
# debian-security = ["https://mirror.example.org/debian-security"]

# The registry and namespace that images are published to, and the repository through which machines share layers.
{_NOWHERE}
# Where built images and fetched files are kept; without this, in the user's cache folder.
# [store]
# path = ".imagefab"
"""
_IGNORED = """\
# The store, where imagefab.toml has it in the project. Recipes, locks and Dockerfiles are kept.
/.imagefab/

# What you may use and not pass on: Apple's SDK, Google's NDK, what xwin made of Microsoft's SDK.
*.sdk.tar.*
android-ndk-*.zip
splat.tar*
"""


def start_project(
    project: Project,
    shipped: Project,
    rules: Mapping[str, KindRules],
    *,
    workflows: Iterable[tuple[str, str]] = (),
    to: str | None = None,
) -> list[Path]:
    """Write the files that the project lacks; returns those written. `workflows` are CI files: paths and texts."""
    try:
        make_folder(project.recipes_dir)
        written = copy_bases(project, shipped)
        wanted = [*_list_files(project, shipped, rules, to), *((project.root / name, text) for name, text in workflows)]
        written += [path for path, text in wanted if write_new(path, text.encode(), within=project.root)]
    except DiskError as error:
        raise UsageError(f"can't start a project in {project.root}: {error.problem}") from error
    return sorted(written)


def _list_files(
    project: Project, shipped: Project, rules: Mapping[str, KindRules], to: str | None
) -> Iterator[tuple[Path, str]]:
    yield project.root / SETTINGS_FILE, _SETTINGS if to is None else _SETTINGS.replace(_NOWHERE, _PUBLISH.format(to=to))
    yield project.root / ".gitignore", _IGNORED
    for name, text in render_schemas(rules).items():
        yield project.recipes_dir / name, text
    if not list_recipes(project):
        name = f"{FIRST_RECIPE}.toml"
        yield project.recipes_dir / name, (shipped.recipes_dir / name).read_text("utf-8")
