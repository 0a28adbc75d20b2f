"""What a run of the command line has at hand: the project, the store, progress, the clock. Made when first asked for.

This is the only room that reads the environment and the clock; what it reads is passed down.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.errors import ImagefabError, UsageError, raise_all
from imagefab.progress import Progress

if TYPE_CHECKING:
    from imagefab.factory import Prepared, Wanted
    from imagefab.oci.store import Store
    from imagefab.recipe.model import Recipe
    from imagefab.recipe.project import Project
    from imagefab.recorded import Recorded
    from imagefab.registry.client import Registries
    from imagefab.registry.credentials import Keyring
    from imagefab.registry.share import LayerShare
    from imagefab.sources.fetch import Fetcher
    from imagefab.sources.own import OwnFiles


class Session:
    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.offline: bool = arguments.offline
        self.verbose: bool = arguments.verbose

    @cached_property
    def project(self) -> Project:
        from imagefab.recipe.project import find_project

        project = find_project(working_folder())
        return project if self.arguments.trust_from is None else self._trust(project)

    def _trust(self, project: Project) -> Project:
        """The project with the settings of a revision: who a change comes from must not say whom to trust."""
        from imagefab.plainfile import MOST_WRITTEN
        from imagefab.recipe.project import SETTINGS_FILE, Settings, parse_settings
        from imagefab.sources.revision import read_at

        revision = self.arguments.trust_from
        if project.shipped:
            raise UsageError("no project here, whose settings a revision could have", hint="leave --trust-from out")
        data = read_at(project.root, revision, [SETTINGS_FILE], most=MOST_WRITTEN).get(SETTINGS_FILE)
        if data is None:
            return replace(project, settings=Settings())
        settings = parse_settings(data, project.root / SETTINGS_FILE, f"{revision}:{SETTINGS_FILE}")
        return replace(project, settings=settings)

    @cached_property
    def store(self) -> Store:
        from imagefab.oci.store import Store

        return Store(self._find_store(), remove=self._remove_folder)

    def _remove_folder(self, path: Path) -> None:
        from imagefab.engines.sandbox.launch import remove_folder

        try:
            remove_folder(path)
        except OSError as error:
            self.progress.warn(f"can't remove {path}: {error.strerror or error}")

    def use_store(self) -> Store:
        """The store, for work that leaves something in it or relies on what is there: garbage collection counts us."""
        from imagefab.keeping import remember_project

        remember_project(self.store, self.project)
        return self.store

    def _find_store(self) -> Path:
        named = self.arguments.store or os.environ.get("IMAGEFAB_STORE") or None
        if named is not None:
            return Path(named).absolute()
        if self.project.settings.store is not None:
            return self.project.settings.store
        if os.environ.get("XDG_CACHE_HOME"):
            return Path(os.environ["XDG_CACHE_HOME"]).absolute() / "imagefab"
        home = _find_home()
        if home is None:
            raise UsageError(
                "there is no home folder to keep built images in", hint="--store DIR, or IMAGEFAB_STORE, names a folder"
            )
        return home / ".cache" / "imagefab"

    @cached_property
    def progress(self) -> Progress:
        from imagefab.cli.display import QuietProgress, make_progress

        if self.arguments.quiet:
            return QuietProgress()
        return make_progress(color=self.arguments.color, verbose=self.verbose)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @contextmanager
    def fetcher(self) -> Iterator[Fetcher]:
        from imagefab.sources.fetch import Fetcher
        from imagefab.sources.mirrors import find_mirrors
        from imagefab.sources.transport import Patience

        with Fetcher(
            store=self.use_store(),
            mirrors=find_mirrors(self.project.settings.mirrors),
            own_files=self.own_files,
            progress=self.progress,
            offline=self.offline,
            patience=Patience(slowest=_read_slowest()),
        ) as fetcher:
            yield fetcher

    @cached_property
    def own_files(self) -> OwnFiles:
        """Where files of the user's may be: what a recipe names outside of the project, a stranger may have named."""
        from imagefab.recipe.project import SETTINGS_FILE, load_allowed_files
        from imagefab.sources.own import OwnFiles

        named = [working_folder() / path for path in getattr(self.arguments, "allow_file", ())]
        home = _find_home()
        if home is not None:
            folder = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
            named += load_allowed_files(folder / "imagefab" / SETTINGS_FILE, home)
        return OwnFiles(project=self.project.root, allowed=tuple(named))

    @cached_property
    def registries(self) -> Registries:
        from imagefab.registry.client import Registries
        from imagefab.registry.effort import Patience

        if self.offline:
            raise UsageError("this asks a registry, which --offline forbids")
        return Registries(keyring=self.keyring, patience=Patience(slowest=_read_slowest()))

    @cached_property
    def keyring(self) -> Keyring:
        """Where logins to registries are."""
        from imagefab.registry.credentials import Keyring, list_login_files

        home = _find_home() or Path("/nonexistent")
        return Keyring(files=list_login_files(os.environ, home, os.getuid()))

    @cached_property
    def recorded(self) -> Recorded:
        """What was published and checked before, as the revision has it whose word is taken."""
        from imagefab.recorded import RECORDS, list_recorded, read_recorded

        if self.arguments.trust_from is None:
            return read_recorded(list_recorded(self.project.images_dir))
        below = self.project.images_dir.relative_to(self.project.root).as_posix()
        return read_recorded(self.read_trusted(RECORDS, below=below).items())

    def read_trusted(self, names: Sequence[str], *, below: str) -> dict[str, str]:
        """Files of the project as the revision has them whose word is taken, by their paths; none without one."""
        from imagefab.plainfile import MOST_GENERATED
        from imagefab.sources.revision import read_at

        revision = self.arguments.trust_from
        if revision is None:
            return {}
        found = read_at(self.project.root, revision, names, below=below, most=MOST_GENERATED)
        return {name: data.decode(errors="replace") for name, data in found.items()}

    def open_share(self) -> LayerShare | None:
        """Where machines share layers, if the project has such a place."""
        from imagefab.registry.reference import Repository
        from imagefab.registry.share import LayerShare

        if self.project.settings.layers is None or self.offline:
            return None
        repository = Repository.parse(self.project.settings.layers)
        return LayerShare(
            self.registries.open(repository.host),
            repository,
            self.store,
            self.progress,
            published=lambda: self.recorded.layers,
        )

    def fetch(self, wanted: Wanted) -> None:
        """Bring what is missing into the store."""
        from imagefab.sources.fetch import fetch_packages
        from imagefab.sources.gather import fetch_sources

        with self.fetcher() as fetcher:
            fetch_packages(fetcher, wanted.lock, wanted.pins)
            fetch_sources(fetcher, wanted.sources)

    def recipes(self, names: Sequence[str] | None) -> tuple[Recipe, ...]:
        """The recipes of those names, each once; all of them for None."""
        from imagefab.recipe.loader import load_recipes
        from imagefab.toolchains.design import RULES

        return load_recipes(self.project, RULES, None if names is None else list(dict.fromkeys(names)))

    def prepare(self, names: Sequence[str] | None) -> tuple[Prepared, ...]:
        """Recipes with their locks and plans; all that is stale is reported in one run."""
        from imagefab.factory import prepare_recipe

        prepared, errors = [], []
        for recipe in self.recipes(names):
            try:
                prepared.append(prepare_recipe(self.project, recipe))
            except ImagefabError as error:
                errors.append(error)
        raise_all(errors)
        return tuple(prepared)

    def close(self) -> None:
        for name in ("registries", "store", "progress"):
            made = self.__dict__.get(name)
            if made is not None and hasattr(made, "close"):
                made.close()


def _read_slowest() -> int:
    """The rate below which a transfer ends, in bytes a second."""
    from imagefab.http import SLOWEST

    text = os.environ.get("IMAGEFAB_LOW_SPEED_LIMIT") or str(SLOWEST)
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(
            f"IMAGEFAB_LOW_SPEED_LIMIT is {text!r}, which is no rate",
            hint="bytes a second, below which a transfer ends; 0 for none",
        )
    return int(text)


def _find_home() -> Path | None:
    """A user may have none, as in many a container."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working folder is not there any more", hint="go to another one") from None


def print_json(value: dict[str, Any]) -> None:
    from imagefab.cli.display import write_json

    write_json(json.dumps({"schema": 1, **value}, indent=2) + "\n")


def choose_names(arguments: argparse.Namespace, verb: str) -> list[str] | None:
    """Recipes named one by one, or --all."""
    if arguments.all and arguments.recipes:
        raise UsageError("recipes and --all exclude each other")
    if not arguments.all and not arguments.recipes:
        raise UsageError(f"{verb} what?", hint=f"`imagefab {verb} RECIPE…`, or `imagefab {verb} --all`")
    return None if arguments.all else list(arguments.recipes)


def add_allow_file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-file",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a file, or a folder of files, that recipes may take although it is outside of the project; repeatable",
    )


def read_destination(text: str | None) -> str | None:
    """What --to says: a registry and a namespace."""
    from imagefab.recipe.format import REPOSITORY
    from imagefab.recipe.grammar import quote

    for rule in REPOSITORY.all_rules:
        if text is not None and not rule.holds(text):
            raise UsageError(f"--to: {rule.problem.format(quote(text))}", hint=rule.hint)
    return text
