"""A recipe with its lock and plans, which is where all work on a recipe begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from imagefab.errors import (
    ImagefabError,
    OptionError,
    OwnFileError,
    PackageError,
    SeveralErrors,
    StaleError,
    UsageError,
)
from imagefab.fetch.own import OwnFiles, has_changed
from imagefab.lock.file import LOCK_NAME, read_lock
from imagefab.lock.model import Lock
from imagefab.lock.staleness import is_stale
from imagefab.plan.dockerfile import render_dockerfile
from imagefab.plan.make import make_plan
from imagefab.plan.model import Plan, list_keys
from imagefab.platforms import ALL, HOST_PLATFORMS, machine_platform
from imagefab.recipe.model import BASES, OwnFileSpec, Recipe
from imagefab.recipe.places import place_option, place_own_file, place_package
from imagefab.recipe.project import Project
from imagefab.records.published import Published
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import design_image

DOCKERFILE_NAME = "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recipe with a lock that fits it, and its plans, which are made when they are needed."""

    recipe: Recipe
    lock: Lock
    blueprints: tuple[Blueprint, ...]
    instead: Mapping[str, Plan] = field(default_factory=dict)
    """Other plans than those that the lock makes, by host platform."""

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """One for each host platform, in the recipe's order."""
        return tuple(map(self._make_plan, self.blueprints))

    @cached_property
    def _made(self) -> dict[str, Plan]:
        return dict(self.instead)

    def _make_plan(self, blueprint: Blueprint) -> Plan:
        name = blueprint.platform.name
        if name not in self._made:
            self._made[name] = make_plan(blueprint, self.lock)
        return self._made[name]

    def choose_plans(
        self, asked: Sequence[str] = (), *, otherwise: Sequence[str] = (), every: Sequence[str] = ()
    ) -> tuple[Plan, ...]:
        """The plans for the host platforms that `choose_platforms` returns."""
        names = choose_platforms(self.recipe, asked, otherwise=otherwise, every=every)
        return tuple(self._make_plan(blueprint) for blueprint in self.blueprints if blueprint.platform.name in names)


def choose_platforms(
    recipe: Recipe, asked: Sequence[str] = (), *, otherwise: Sequence[str] = (), every: Sequence[str] = ()
) -> tuple[str, ...]:
    """Choose the host platforms to work on, in the recipe's order.

    They are those asked for, where `all` means those in `every`, or else all of the recipe's. If none are asked for,
    they are those in `otherwise`, or else this machine's. Raises UsageError if the recipe doesn't support one.
    """
    wanted = (every or recipe.platforms) if ALL in asked else asked or otherwise
    for name in wanted:
        if name not in recipe.platforms:
            raise UsageError(
                f"{recipe.name} is not made for {name}", hint=f"its host platforms are {', '.join(recipe.platforms)}"
            )
    own = machine_platform().name
    wanted = wanted or [own if own in recipe.platforms else recipe.platforms[0]]
    return tuple(name for name in recipe.platforms if name in wanted)


def design_blueprints(recipe: Recipe) -> tuple[Blueprint, ...]:
    return tuple(design_image(recipe, HOST_PLATFORMS[name]) for name in recipe.platforms)


def place_error(project: Project, recipe: Recipe, error: ImagefabError) -> ImagefabError:
    """Add a line and column to an error about something in a recipe."""
    match error:
        case PackageError():
            return place_package(project, recipe, error)
        case OptionError():
            return place_option(project, recipe, error)
        case OwnFileError():
            return place_own_file(project, recipe, error)
        case SeveralErrors():
            return SeveralErrors(place_error(project, recipe, one) for one in error.errors)
        case _:
            return error


def check_own_files(prepared: Prepared, files: OwnFiles) -> None:
    """Raise StaleError if a file of the user's differs from the lock. Builds still use the old one if they can."""
    for blueprint in prepared.blueprints:
        for source in (source for layer in blueprint.layers for source in layer.sources):
            pin = prepared.lock.find_source(source.name, blueprint.platform.name)
            if isinstance(source, OwnFileSpec) and pin is not None and has_changed(source, pin.sha256, files):
                name = prepared.recipe.name
                raise StaleError(
                    f"{source.path} is not the file that {name}'s lock has", hint=f"run `imagefab lock {name}`"
                )


def lock_path(project: Project, name: str) -> Path:
    return project.images_dir / name / LOCK_NAME


def base_lock_path(project: Project, base: str) -> Path:
    return project.images_dir / BASES / base / LOCK_NAME


def dockerfile_path(project: Project, name: str) -> Path:
    return project.images_dir / name / DOCKERFILE_NAME


def prepare_recipe(project: Project, recipe: Recipe) -> Prepared:
    """Prepare a recipe. Raises StaleError if its lock is missing, damaged, or made from another recipe."""
    path = lock_path(project, recipe.name)
    shown = project.show(path)
    lock = read_lock(path, recipe=recipe.name, shown=shown)
    blueprints = design_blueprints(recipe)
    if is_stale(lock, blueprints):
        raise StaleError(
            f"{shown} is stale: {recipe.file}, or how imagefab makes images of its kind, has changed",
            hint=f"run `imagefab lock {recipe.name}`",
        )
    return Prepared(recipe=recipe, lock=lock, blueprints=blueprints)


def render_recipe(prepared: Prepared) -> str:
    return render_dockerfile(prepared.plans)


def is_published(prepared: Prepared, published: Published | None, name: str) -> bool:
    """Whether the published image was made from these plans, for each platform that it has."""
    if published is None or not published.images:
        return False
    have = {platform for platform, _ in published.images}
    return published.is_of(name, {name: key for name, key in list_keys(prepared.plans).items() if name in have})
