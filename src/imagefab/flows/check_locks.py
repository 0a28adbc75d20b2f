"""Check locks: that they fit their recipes, and that their pins are what the archives sign.

A base's lock is checked once for all recipes on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import FetchError, ImagefabError, StaleError
from imagefab.flows.lock import LockRequest, choose_scope
from imagefab.flows.prepare import base_lock_path, check_own_files, lock_path, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.lock.backwards import refuse_older_archives, refuse_older_packages
from imagefab.lock.confirm import Known, confirm_lock, list_known, list_problems, require_archives
from imagefab.lock.file import LOCK_NAME, assemble_lock, find_lock_file, read_bases_beside
from imagefab.lock.model import FORMAT, Lock, LockFile
from imagefab.lock.staleness import inputs_digest
from imagefab.lock.text import parse_lock
from imagefab.platforms import HOST_PLATFORMS
from imagefab.recipe.model import Base, Recipe, base_of, name_base
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import design_base


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    name: str
    """The recipe's, or `bases/<base>`."""
    errors: tuple[ImagefabError, ...] = ()
    """Why the lock is stale; empty if it is not."""
    pins: Mapping[str, int] | None = None
    """How many pins the archives confirm, by how; None if they were not asked."""
    problems: tuple[ImagefabError, ...] = ()
    """What the archives say against the lock."""

    @property
    def base(self) -> str | None:
        """The base whose lock it is; None for a recipe's."""
        return base_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A lock that can be read, and what it is for."""

    path: Path
    file: LockFile
    lock: Lock
    """With its bases'."""
    blueprints: Sequence[Blueprint]


def check_locks(
    workspace: Workspace, names: tuple[str, ...] | None, *, archive: bool, allow_downgrade: bool = False
) -> list[LockState]:
    """Check that locks fit their recipes and, with `archive`, that their pins are what is signed."""
    workspace.require_own_project("the recipes that ship with imagefab are already locked")
    scope = choose_scope(workspace, LockRequest(names=names))
    recipes = [_check_recipe(workspace, one) for one in scope.everyone if one.name in scope.recipes]
    used = scope.bases | {
        one.bases[-1].name for one in scope.everyone if one.name in scope.recipes and _has_base(workspace, one)
    }
    wanted = dict.fromkeys(base.name for name in scope.chains if name in used for base in scope.chains[name])
    found = [*(_check_base(workspace, scope.chains[name]) for name in wanted), *recipes]
    if not archive:
        return [state for state, _ in found]
    with workspace.open_fetcher() as fetcher:
        reader, trusted = ArchiveReader(fetcher, now=workspace.now), _Trusted(workspace)
        return [
            state if one is None else _confirm(workspace, state, one, reader, trusted, allow_downgrade=allow_downgrade)
            for state, one in found
        ]


def _has_base(workspace: Workspace, recipe: Recipe) -> bool:
    """Whether a recipe's lock needs those of its bases."""
    path = lock_path(workspace.project, recipe.name)
    try:
        file = find_lock_file(path, recipe=recipe.name, shown=workspace.project.show(path))
    except StaleError:
        return False
    return file is not None and file.base is not None


def _check_recipe(workspace: Workspace, recipe: Recipe) -> tuple[LockState, _Found | None]:
    path, found = lock_path(workspace.project, recipe.name), None
    shown = workspace.project.show(path)
    try:
        file = find_lock_file(path, recipe=recipe.name, shown=shown)
        prepared = prepare_recipe(workspace.project, recipe)
        assert file is not None
        found = _Found(path=path, file=file, lock=prepared.lock, blueprints=prepared.blueprints)
        _ = prepared.plans  # which need all that the lock should have
        check_own_files(prepared, workspace.own_files)
        _require_format(file, shown)
    except ImagefabError as error:
        return LockState(name=recipe.name, errors=(error,)), found
    return LockState(name=recipe.name), found


def _check_base(workspace: Workspace, chain: Sequence[Base]) -> tuple[LockState, _Found | None]:
    name = name_base(chain[-1].name)
    path = base_lock_path(workspace.project, chain[-1].name)
    shown = workspace.project.show(path)
    try:
        file = find_lock_file(path, recipe=name, shown=shown)
        if file is None:
            raise StaleError(f"{name} is not locked yet: there is no {shown}", hint=f"run `imagefab lock {name}`")
        platforms = [HOST_PLATFORMS[one.platform] for one in file.own.platforms if one.platform in HOST_PLATFORMS]
        blueprints = [design_base(chain, platform) for platform in platforms]
        if file.own.recipe != name or file.own.inputs != inputs_digest(blueprints):
            raise StaleError(
                f"{shown} is stale: recipes/bases/{chain[-1].name}.toml, or a base below it, has changed",
                hint=f"run `imagefab lock {name}`",
            )
        lock = assemble_lock(file, shown, read_bases_beside(path, shown))
    except ImagefabError as error:
        return LockState(name=name, errors=(error,)), None
    return LockState(name=name), _Found(path=path, file=file, lock=lock, blueprints=blueprints)


def _require_format(file: LockFile, shown: str) -> None:
    if file.format != FORMAT:
        raise StaleError(
            f"{shown} is of the older format {file.format}: its bases have no locks of their own",
            hint="run `imagefab lock`, which writes it again and moves no pin",
        )


def _confirm(
    workspace: Workspace,
    state: LockState,
    found: _Found,
    reader: ArchiveReader,
    trusted: _Trusted,
    *,
    allow_downgrade: bool,
) -> LockState:
    """The state, with what the archives say about the lock's own pins."""
    own, shown = found.file.own, workspace.project.show(found.path)
    try:
        require_archives(own, found.blueprints, shown)
        confirmed = confirm_lock(own, reader, reader.open_past, known=trusted.known)
    except ImagefabError as error:
        return replace(state, problems=(error,))
    bad = () if allow_downgrade else _list_backwards(found, trusted, workspace.project.show)
    return replace(
        state,
        pins={name: len(getattr(confirmed, name)) for name in ("present", "past", "trusted", "wrong", "gone")},
        problems=(*list_problems(confirmed, state.name, shown), *list_future_dates(workspace, own, shown), *bad),
    )


def _list_backwards(found: _Found, trusted: _Trusted, show: Callable[[Path], str]) -> Iterator[ImagefabError]:
    """What a lock has that is older than at the trusted revision."""
    file, lock = trusted.find_lock(found.path)
    if file is None:
        return
    is_part = file.base is not None and found.file.base is not None
    yield from list_older(found.file.own if is_part else found.lock, file.own if is_part else lock)
    if is_part:
        yield from list_older(found.lock, lock, only_packages=True)


class _Trusted:
    """The locks at the trusted revision."""

    def __init__(self, workspace: Workspace) -> None:
        self._project = workspace.project
        below = self._project.images_dir.relative_to(self._project.root).as_posix()
        self._texts = workspace.read_trusted([LOCK_NAME], below=below)

    @cached_property
    def known(self) -> Known:
        return list_known(file.own for file in map(self._parse, self._texts) if file is not None)

    def find_lock(self, path: Path) -> tuple[LockFile | None, Lock | None]:
        """The lock that was there, by itself and with its bases'; None for what was not."""
        name = self._project.show(path)
        file = self._parse(name) if name in self._texts else None
        if file is None:
            return None, None
        try:
            return file, assemble_lock(file, name, self._read_base)
        except StaleError:
            return file, None

    def _parse(self, name: str) -> LockFile | None:
        try:
            return parse_lock(self._texts[name], file=name)
        except StaleError:
            return None

    def _read_base(self, base: str) -> tuple[str, str | None]:
        name = self._project.show(base_lock_path(self._project, base))
        return name, self._texts.get(name)


def list_future_dates(workspace: Workspace, lock: Lock, shown: str) -> Iterator[ImagefabError]:
    """Reject dates in the future, which block the next upgrade."""
    now = f"{workspace.now:%Y%m%dT%H%M%SZ}"
    for archive in lock.archives:
        if archive.date > now:
            yield StaleError(
                f"{shown} has {archive.suite} of {archive.date}, which is in the future",
                hint=f"run `imagefab lock --upgrade {lock.recipe}`, or check this machine's clock",
            )


def list_older(lock: Lock, trusted: Lock | None, *, only_packages: bool = False) -> Iterator[ImagefabError]:
    """Reject what is older than at the trusted revision, which brings fixed bugs back."""
    try:
        if not only_packages:
            refuse_older_archives(trusted, lock.archives)
        refuse_older_packages(trusted, lock)
    except FetchError as error:
        yield error
