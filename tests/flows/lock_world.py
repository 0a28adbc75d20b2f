"""A project whose recipes share bases, and an archive that moves when it is told to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.lock.fake_archive import FakeArchive
from tests.sample_recipe import SMALL, make_recipe

from imagefab.errors import FetchError, ImagefabError
from imagefab.flows.check_locks import check_locks
from imagefab.flows.lock import LockRequest, LockUpdate, lock
from imagefab.flows.prepare import design_blueprints, prepare_recipe
from imagefab.lock.format1 import render_lock
from imagefab.lock.model import Lock
from imagefab.recipe.model import Recipe
from imagefab.recipe.project import Project, Settings, lay_out


class World:
    """Stands in for the workspace, too: it has what flows about locks use of one."""

    def __init__(self, folder: Path) -> None:
        self.archive = FakeArchive(folder / "blobs")
        self.archive.folder.mkdir()
        self.project: Project = lay_out(folder / "project", Settings())
        self.progress = self.archive
        self.now = datetime(2027, 1, 1, tzinfo=UTC)
        self.offline = False
        self.recipes: dict[str, Recipe] = {}
        self.versions: dict[str, str] = {}
        self.lines: list[str] = []
        self.days = 0
        self.trusted: dict[str, str] = {}
        for name in ("one", "two", "three"):
            self.add(make_recipe(name=name))

    def add(self, recipe: Recipe) -> None:
        recipe = replace(recipe, additions=replace(recipe.additions, sources=(), run=()))
        self.recipes[recipe.name] = recipe
        self.project.recipes_dir.mkdir(parents=True, exist_ok=True)
        self.project.bases_dir.mkdir(parents=True, exist_ok=True)
        (self.project.recipes_dir / f"{recipe.name}.toml").touch()
        for base in recipe.bases:
            text = f"packages.host = {json.dumps(base.additions.host_packages)}\n"
            (self.project.bases_dir / f"{base.name}.toml").write_text(text)
        self.publish()

    def publish(self, *lines: str, **versions: str) -> None:
        """A newer state of the archive: all packages that recipes ask for, and more."""
        self.versions |= {name.replace("_", "-"): version for name, version in versions.items()}
        self.lines += lines
        self.days += 1
        names = {
            name.partition(":")
            for recipe in self.recipes.values()
            for blueprint in design_blueprints(recipe)
            for layer in blueprint.layers
            for name in (*layer.packages, *layer.opened)
        }
        made = {
            f"{name} {self.versions.get(name, '1')} {architecture}"
            for name, _, _ in names
            for architecture in ("amd64", "arm64")
        }
        taken = {tuple(line.split(";")[0].split()[::2]) for line in self.lines}
        rest = sorted(line for line in made if tuple(line.split()[::2]) not in taken)
        self.archive.publish(*rest, *self.lines, days=self.days)

    # -- what a workspace has ------------------------------------------------------------------------------------------

    def require_own_project(self, problem: str) -> None:
        pass

    def load_recipes(self, names: Sequence[str] | None) -> tuple[Recipe, ...]:
        return tuple(self.recipes[name] for name in (sorted(self.recipes) if names is None else names))

    def read_trusted(self, names: Sequence[str], *, below: str) -> dict[str, str]:
        return self.trusted

    own_files: Any = None

    @contextmanager
    def open_fetcher(self) -> Iterator[Any]:
        yield self.archive

    # -- what tests do -------------------------------------------------------------------------------------------------

    def lock(self, *names: str, upgrade: bool = False) -> dict[str, LockUpdate]:
        updates = dict(self.try_lock(*names, upgrade=upgrade))
        assert all(isinstance(one, LockUpdate) for one in updates.values()), updates
        return updates  # type: ignore[return-value]

    def try_lock(self, *names: str, upgrade: bool = False) -> Iterator[tuple[str, LockUpdate | ImagefabError]]:
        workspace: Any = self
        for one in lock(workspace, LockRequest(names=names or None, upgrade=upgrade)):
            yield (one.name if isinstance(one, LockUpdate) else "error"), one

    def check(self, *names: str) -> dict[str, list[str]]:
        """What `lock --check` says, by name."""
        workspace: Any = self
        states = check_locks(workspace, names or None, archive=False)
        return {state.name: [str(error) for error in state.errors] for state in states}

    def path(self, name: str) -> Path:
        return self.project.images_dir / name / "imagefab.lock"

    def read(self, name: str) -> Lock:
        return prepare_recipe(self.project, self.recipes[name]).lock

    def write_old(self, lock: Lock) -> None:
        """The lock as older versions wrote it."""
        path = self.path(lock.recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_lock(replace(lock, bases=())))

    def texts(self) -> dict[str, list[str]]:
        found = self.project.images_dir.rglob("imagefab.lock")
        return {
            path.parent.relative_to(self.project.images_dir).as_posix(): path.read_text().splitlines() for path in found
        }

    def go_offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise FetchError("there is no network")

        monkeypatch.setattr(self.archive, "open_universe", fail)
        monkeypatch.setattr(self.archive, "open_suite", fail)


def list_changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """The lines that are new, by lock."""
    return {
        name: [line for line in after[name] if line not in before[name]]
        for name in after
        if after[name] != before[name]
    }


def list_versions(lock: Lock, platform: int = 0) -> dict[str, str]:
    return {pin.name: pin.version for layer in lock.platforms[platform].layers for pin in layer.packages}


__all__ = ["SMALL", "World", "list_changed", "list_versions"]
