"""Find recipes: the project that a folder belongs to, its settings, and the recipes that ship with the package.

A project is the nearest parent folder with an imagefab.toml or a recipes folder. Outside a project, the package's
recipes are used, so that building a well-known image works anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import imagefab
from imagefab.errors import Position, RecipeError, SeveralErrors, UsageError
from imagefab.files.plain import BadFileError, read_bytes
from imagefab.limits import MEGABYTE, Limits
from imagefab.printable import escape
from imagefab.recipe.format import SETTINGS, USER_SETTINGS
from imagefab.recipe.model import BASES
from imagefab.toml.document import Document, parse_document, read_document

SETTINGS_FILE = "imagefab.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in imagefab.toml."""

    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Archive name → the URLs to try, in this order, without a trailing slash."""
    publish_to: str | None = None
    """Registry and namespace."""
    publish_tag: str | None = None
    """A moving tag."""
    publish_private: bool = False
    publish_builder: str | None = None
    publish_catalogue: bool = True
    publish_defaults: tuple[str, ...] = ()
    """Recipes that the catalogue names first, where there are several for a target."""
    sign_key: str | None = None
    layers: str | None = None
    """The repository through which machines share layers."""
    store: Path | None = None
    limits: Limits = field(default_factory=Limits)
    """For each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    root: Path
    recipes_dir: Path
    images_dir: Path
    shipped: bool = False
    """Whether it ships with the package, so that nothing should be written to it."""
    settings: Settings = field(default_factory=Settings)

    @property
    def bases_dir(self) -> Path:
        return self.recipes_dir / BASES

    def show(self, path: Path) -> str:
        """Format a path inside the project for the user."""
        return escape(path.relative_to(self.root).as_posix())


def find_project(start: Path) -> Project:
    """Return the project that a folder is in, else the shipped one. Raises SeveralErrors for a bad imagefab.toml."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if _is_project(folder):
            return open_project(folder)
    return find_shipped_project()


def open_project(root: Path) -> Project:
    """Open the project at a folder, which may still be empty."""
    return lay_out(root, load_settings(root / SETTINGS_FILE))


def find_shipped_project() -> Project:
    """Return the recipes and locks in the installed package; for an editable install, those of its source tree."""
    package = Path(imagefab.__file__).resolve().parent
    for root in (package / "shipped", package.parent.parent):
        if (root / "recipes").is_dir():
            return lay_out(root, Settings(), shipped=True)
    raise UsageError(
        "no project here, and no recipes in the installed package", hint="run `imagefab init` to start one"
    )


def load_settings(path: Path) -> Settings:
    """Read imagefab.toml, or return the defaults if it is missing. Raises RecipeError or SeveralErrors."""
    if not path.exists() and not path.is_symlink():
        return Settings()
    try:
        data = read_bytes(path)
    except BadFileError as error:
        raise RecipeError(error.problem, position=Position(path.name)) from None
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(path.parent)):
        raise RecipeError("this is a link that leads out of the project", position=Position(path.name))
    return parse_settings(data, path, path.name)


def parse_settings(data: bytes, path: Path, shown: str) -> Settings:
    """Read the text of an imagefab.toml that is, or was, at `path`. Raises RecipeError or SeveralErrors."""
    return _read_settings(parse_document(data, path, shown))


def _read_settings(document: Document) -> Settings:
    if document.data.pop("files", None) is not None:
        document.spot("files").report(
            "`files` can't be set by a project",
            f"set it in ~/.config/imagefab/{SETTINGS_FILE}, or use --allow-file",
            on_key=True,
        )
    table = document.read(SETTINGS)
    if errors := document.errors():
        raise SeveralErrors(errors)
    mirrors = {name: tuple(url.rstrip("/") for url in urls) for name, urls in table.get("mirrors", {}).items()}
    store = table.get("store", {}).get("path")
    publish = table.get("publish", {})
    return Settings(
        mirrors=mirrors,
        publish_to=publish.get("to"),
        publish_tag=publish.get("tag"),
        publish_private=publish.get("private", False),
        publish_builder=publish.get("builder"),
        publish_catalogue=publish.get("catalogue", True),
        publish_defaults=tuple(publish.get("defaults", ())),
        sign_key=publish.get("sign-key"),
        layers=publish.get("layers"),
        store=None if store is None else document.path.parent / store,
        limits=_read_limits(table.get("limits", {})),
    )


def _read_limits(table: Mapping[str, int]) -> Limits:
    sizes = {name: table[name] * MEGABYTE for name in ("memory", "disk") if name in table}
    return Limits(**sizes, **{name: table[name] for name in ("processes", "time") if name in table})


def load_allowed_files(path: Path, home: Path) -> tuple[Path, ...]:
    """Return the files outside projects that the user's own settings allow; none without such settings."""
    if not os.path.lexists(path):
        return ()
    document = read_document(path, escape(str(path)))
    table = document.read(USER_SETTINGS)
    if errors := document.errors():
        raise SeveralErrors(errors)
    places = table.get("files", {}).get("allow", ())
    return tuple(home / place.removeprefix("~/") for place in places)


def lay_out(root: Path, settings: Settings, *, shipped: bool = False) -> Project:
    return Project(
        root=root, recipes_dir=root / "recipes", images_dir=root / "images", shipped=shipped, settings=settings
    )


def _is_project(folder: Path) -> bool:
    try:
        return os.path.lexists(folder / SETTINGS_FILE) or (folder / "recipes").is_dir()
    except PermissionError:
        return False
