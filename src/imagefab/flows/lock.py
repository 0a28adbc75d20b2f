"""Make, keep and upgrade locks, and check them against the signed archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import FetchError, ImagefabError, StaleError
from imagefab.flows.prepare import Prepared, check_own_files, design_blueprints, lock_path, place_error, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.lock.backwards import refuse_older_archives, refuse_older_packages
from imagefab.lock.confirm import confirm_lock, list_problems, require_archives
from imagefab.lock.file import LOCK_NAME
from imagefab.lock.model import Lock
from imagefab.lock.text import parse_lock
from imagefab.lock.update import LockUpdate, update_lock
from imagefab.recipe.model import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    recipes: tuple[str, ...] | None
    """None means all."""
    upgrade: bool = False
    allow_downgrade: bool = False


def lock(workspace: Workspace, request: LockRequest) -> Iterator[LockUpdate | ImagefabError]:
    """Write locks one after another. A lock that can't be made doesn't stop the others."""
    workspace.require_own_project("the recipes that ship with imagefab are already locked")
    with workspace.open_fetcher() as fetcher:
        reader = ArchiveReader(fetcher, now=workspace.now)
        for recipe in workspace.load_recipes(request.recipes):
            path = lock_path(workspace.project, recipe.name)
            try:
                yield update_lock(
                    path,
                    workspace.project.show(path),
                    design_blueprints(recipe),
                    reader,
                    upgrade=request.upgrade,
                    allow_downgrade=request.allow_downgrade,
                )
            except ImagefabError as error:
                yield place_error(workspace.project, recipe, error)


# -- checking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    recipe: str
    errors: tuple[ImagefabError, ...] = ()
    """Why the lock is stale; empty if it is not."""
    pins: Mapping[str, int] | None = None
    """How many pins the archives confirm, by how; None if they were not asked."""
    problems: tuple[ImagefabError, ...] = ()
    """What the archives say against the lock."""


def check_locks(
    workspace: Workspace, recipes: tuple[str, ...] | None, *, archive: bool, allow_downgrade: bool = False
) -> list[LockState]:
    """Check that locks fit their recipes and, with `archive`, that their pins are what is signed."""
    workspace.require_own_project("the recipes that ship with imagefab are already locked")
    found = [_check_lock(workspace, recipe) for recipe in workspace.load_recipes(recipes)]
    if not archive:
        return [state for state, _ in found]
    with workspace.open_fetcher() as fetcher:
        reader = ArchiveReader(fetcher, now=workspace.now)
        return [
            state
            if prepared is None
            else _confirm_lock(workspace, state, prepared, reader, allow_downgrade=allow_downgrade)
            for state, prepared in found
        ]


def _check_lock(workspace: Workspace, recipe: Recipe) -> tuple[LockState, Prepared | None]:
    prepared = None
    try:
        prepared = prepare_recipe(workspace.project, recipe)
        check_own_files(prepared, workspace.own_files)
    except ImagefabError as error:
        return LockState(recipe=recipe.name, errors=(error,)), prepared
    return LockState(recipe=recipe.name), prepared


def _confirm_lock(
    workspace: Workspace, state: LockState, prepared: Prepared, reader: ArchiveReader, *, allow_downgrade: bool
) -> LockState:
    """The state, with what the archives say about the lock's pins."""
    shown = workspace.project.show(lock_path(workspace.project, state.recipe))
    try:
        require_archives(prepared.lock, prepared.blueprints, shown)
        trusted = _find_trusted(workspace, prepared.lock)
        found = confirm_lock(prepared.lock, reader, reader.open_past, trusted=trusted)
    except ImagefabError as error:
        return replace(state, problems=(error,))
    return replace(
        state,
        pins={name: len(getattr(found, name)) for name in ("present", "past", "trusted", "wrong", "gone")},
        problems=(
            *list_problems(found, state.recipe, shown),
            *list_bad_dates(workspace, prepared.lock, None if allow_downgrade else trusted, shown),
        ),
    )


def _find_trusted(workspace: Workspace, lock: Lock) -> Lock | None:
    """The lock at the trusted revision."""
    folder = lock_path(workspace.project, lock.recipe).parent.relative_to(workspace.project.root).as_posix()
    texts = workspace.read_trusted([LOCK_NAME], below=folder)
    try:
        found = [parse_lock(text, file=name, recipe=lock.recipe) for name, text in texts.items()]
    except StaleError:
        return None
    return found[0] if found else None


def list_bad_dates(workspace: Workspace, lock: Lock, trusted: Lock | None, shown: str) -> Iterator[ImagefabError]:
    """Reject dates in the future, which block the next upgrade, and older ones, which bring fixed bugs back."""
    now = f"{workspace.now:%Y%m%dT%H%M%SZ}"
    for archive in lock.archives:
        if archive.date > now:
            yield StaleError(
                f"{shown} has {archive.suite} of {archive.date}, which is in the future",
                hint=f"run `imagefab lock --upgrade {lock.recipe}`, or check this machine's clock",
            )
    try:
        refuse_older_archives(trusted, lock.archives)
        refuse_older_packages(trusted, lock)
    except FetchError as error:
        yield error
