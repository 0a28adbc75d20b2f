"""What all flows work with: a project, its store, network access, progress and the clock.

It is built from what the command line read (`Surroundings`). Everything else is opened on first use.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.errors import ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.fetch.fetcher import Fetcher
    from imagefab.fetch.own import OwnFiles
    from imagefab.flows.inputs import Wanted
    from imagefab.flows.prepare import Prepared
    from imagefab.http import Patience
    from imagefab.progress import Progress
    from imagefab.recipe.model import Recipe
    from imagefab.recipe.project import Project
    from imagefab.records.recorded import Recorded
    from imagefab.registry.client import Registries
    from imagefab.registry.credentials import Keyring
    from imagefab.registry.share import LayerShare
    from imagefab.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the command line, the environment and the clock provide."""

    folder: Path
    """The working folder; the project is there or in a parent."""
    store: Path | None = None
    """Overrides where the project has the store."""
    caches: Path | None = None
    """Where the user's caches are; None for a user without a home."""
    configuration: Path | None = None
    """Where the user's settings are."""
    home: Path | None = None
    trust_from: str | None = None
    """The Git revision whose settings and records are trusted, instead of the project's own."""
    allowed: tuple[Path, ...] = ()
    """Files and folders outside the project that recipes may take files from."""
    offline: bool = False
    slowest: int | None = None
    """Bytes per second below which a transfer is aborted; None means the default."""
    user: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], datetime]


class Workspace:
    def __init__(self, surroundings: Surroundings, progress: Progress) -> None:
        self.surroundings = surroundings
        self.progress = progress

    @property
    def offline(self) -> bool:
        return self.surroundings.offline

    @property
    def now(self) -> datetime:
        return self.surroundings.clock()

    def close(self) -> None:
        for name in ("registries", "store"):
            if (made := self.__dict__.get(name)) is not None:
                made.close()

    # -- the project ---------------------------------------------------------------------------------------------------

    @cached_property
    def project(self) -> Project:
        from imagefab.recipe.project import find_project

        project = find_project(self.surroundings.folder)
        return project if self.surroundings.trust_from is None else self._trust(project)

    def _trust(self, project: Project) -> Project:
        """The project with the settings of the trusted revision, so that a change can't choose whom to trust."""
        from imagefab.ci.revision import read_at
        from imagefab.files.plain import MOST_WRITTEN
        from imagefab.recipe.project import SETTINGS_FILE, Settings, parse_settings

        revision = self.surroundings.trust_from
        assert revision is not None
        if project.shipped:
            raise UsageError("--trust-from needs a project", hint="run it in a project, or without --trust-from")
        data = read_at(project.root, revision, [SETTINGS_FILE], most=MOST_WRITTEN).get(SETTINGS_FILE)
        if data is None:
            return replace(project, settings=Settings())
        settings = parse_settings(data, project.root / SETTINGS_FILE, f"{revision}:{SETTINGS_FILE}")
        return replace(project, settings=settings)

    def load_recipes(self, names: Sequence[str] | None) -> tuple[Recipe, ...]:
        """Load the named recipes, each once; None means all."""
        from imagefab.recipe.loader import load_recipes
        from imagefab.toolchains.design import RULES

        return load_recipes(self.project, RULES, None if names is None else list(dict.fromkeys(names)))

    def prepare(self, names: Sequence[str] | None) -> tuple[Prepared, ...]:
        """Recipes with their locks and plans. All stale locks are reported in one run."""
        from imagefab.flows.prepare import prepare_recipe

        prepared, errors = [], []
        for recipe in self.load_recipes(names):
            try:
                prepared.append(prepare_recipe(self.project, recipe))
            except ImagefabError as error:
                errors.append(error)
        raise_all(errors)
        return tuple(prepared)

    def require_own_project(self, problem: str) -> None:
        """Raise UsageError outside a project, for what can't be done with the recipes that ship with imagefab."""
        if self.project.shipped:
            raise UsageError(f"no project here: {problem}", hint="run `imagefab init` to start one")

    # -- the store -----------------------------------------------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        from imagefab.store.store import Store

        path = self._find_store()
        self._refuse_committed(path)
        return Store(path, remove=self._remove_folder)

    def use_store(self) -> Store:
        """The store, for work that writes to it or relies on its contents: garbage collection counts this project."""
        from imagefab.flows.notes import remember_project

        remember_project(self.store, self.project)
        return self.store

    def _refuse_committed(self, path: Path) -> None:
        """Refuse a committed store: its layers are trusted, so a commit must not be able to bring any."""
        from imagefab.ci.revision import has_tracked

        root = self.surroundings.folder.resolve()
        top = next((one for one in (root, *root.parents) if os.path.lexists(one / ".git")), None)
        if top is not None and path.resolve().is_relative_to(top) and has_tracked(top, path.resolve()):
            raise UsageError(
                f"the store {path} has files in it that are committed, and so may be a stranger's",
                hint="remove them from the repository, or use another store: --store DIR, IMAGEFAB_STORE",
            )

    def _find_store(self) -> Path:
        if self.surroundings.store is not None:
            return self.surroundings.store
        if self.project.settings.store is not None:
            return self.project.settings.store
        if self.surroundings.caches is None:
            raise UsageError(
                "there is no home folder for the store", hint="--store DIR, or IMAGEFAB_STORE, names a folder"
            )
        return self.surroundings.caches / "imagefab"

    def _remove_folder(self, path: Path) -> None:
        from imagefab.engines.sandbox.launch import remove_folder

        try:
            remove_folder(path)
        except OSError as error:
            self.progress.warn(f"can't remove {path}: {error.strerror or error}")

    # -- the network ---------------------------------------------------------------------------------------------------

    @contextmanager
    def open_fetcher(self) -> Iterator[Fetcher]:
        from imagefab.debian.apt import find_mirrors
        from imagefab.fetch import transport
        from imagefab.fetch.fetcher import Fetcher

        with Fetcher(
            store=self.use_store(),
            mirrors=find_mirrors(self.project.settings.mirrors),
            own_files=self.own_files,
            progress=self.progress,
            offline=self.offline,
            patience=self._keep_pace(transport.MIRROR_PATIENCE),
        ) as fetcher:
            yield fetcher

    def fetch(self, wanted: Wanted) -> None:
        """Fetch what is missing into the store."""
        from imagefab.debian.pool import fetch_packages
        from imagefab.fetch.gather import fetch_sources

        with self.open_fetcher() as fetcher:
            hint = f"run `imagefab lock --upgrade {wanted.lock.recipe}`"
            fetch_packages(fetcher, wanted.lock.archives, wanted.pins, hint=hint)
            fetch_sources(fetcher, wanted.sources)

    @cached_property
    def own_files(self) -> OwnFiles:
        """Where recipes may take files from: outside the project, only from paths that the user allowed."""
        from imagefab.fetch.own import OwnFiles
        from imagefab.recipe.project import SETTINGS_FILE, load_allowed_files

        allowed = list(self.surroundings.allowed)
        if self.surroundings.configuration is not None and self.surroundings.home is not None:
            path = self.surroundings.configuration / "imagefab" / SETTINGS_FILE
            allowed += load_allowed_files(path, self.surroundings.home)
        return OwnFiles(project=self.project.root, allowed=tuple(allowed))

    @cached_property
    def registries(self) -> Registries:
        from imagefab.http import Patience
        from imagefab.registry.client import Registries

        if self.offline:
            raise UsageError("this needs a registry, which --offline forbids")
        return Registries(keyring=self.keyring, patience=self._keep_pace(Patience()))

    def _keep_pace(self, patience: Patience) -> Patience:
        """Apply the user's minimum transfer rate."""
        slowest = self.surroundings.slowest
        return patience if slowest is None else replace(patience, slowest=slowest)

    @cached_property
    def keyring(self) -> Keyring:
        """Registry logins."""
        from imagefab.registry.credentials import Keyring, list_login_files

        home = self.surroundings.home or Path("/nonexistent")
        return Keyring(files=list_login_files(self.surroundings.environment, home, self.surroundings.user))

    def open_share(self) -> LayerShare | None:
        """Where machines share layers, if the project has a place for that."""
        if self.project.settings.layers is None or self.offline:
            return None
        from imagefab.registry.reference import Repository
        from imagefab.registry.share import LayerShare

        repository = Repository.parse(self.project.settings.layers)
        return LayerShare(
            self.registries.open(repository.host),
            repository,
            self.store,
            self.progress,
            published=lambda: self.recorded.layers,
        )

    # -- what was published and checked --------------------------------------------------------------------------------

    @cached_property
    def recorded(self) -> Recorded:
        """What was published and checked before, as of the trusted revision if there is one."""
        from imagefab.records.recorded import RECORDS, list_recorded, read_recorded

        if self.surroundings.trust_from is None:
            return read_recorded(list_recorded(self.project.images_dir))
        below = self.project.images_dir.relative_to(self.project.root).as_posix()
        return read_recorded(self.read_trusted(RECORDS, below=below).items())

    def read_trusted(self, names: Sequence[str], *, below: str) -> dict[str, str]:
        """Project files at the trusted revision, by path; empty if no revision is set."""
        from imagefab.ci.revision import read_at
        from imagefab.files.plain import MOST_GENERATED

        revision = self.surroundings.trust_from
        if revision is None:
            return {}
        found = read_at(self.project.root, revision, names, below=below, most=MOST_GENERATED)
        return {name: data.decode(errors="replace") for name, data in found.items()}
