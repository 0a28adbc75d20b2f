"""Write locks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import ImagefabError, UsageError
from imagefab.flows.locking import Locked, Locker, Scope, keep_whole, load_everyone
from imagefab.flows.prepare import place_error
from imagefab.flows.workspace import Workspace
from imagefab.lock.file import write_lock
from imagefab.lock.staleness import PackageChange
from imagefab.recipe.model import Recipe, base_of, name_base
from imagefab.toml.grammar import quote, suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    names: tuple[str, ...] | None
    """Recipes, and bases as `bases/<base>`. None means all."""
    upgrade: bool = False
    allow_downgrade: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUpdate:
    name: str
    """The recipe's, or `bases/<base>`."""
    changed: bool
    first: bool
    """There was no lock before, or no valid one."""
    packages: tuple[PackageChange, ...]
    """Without those of a base that has a lock of its own."""
    note: str | None = None
    """What it means for others."""

    @property
    def base(self) -> str | None:
        """The base whose lock it is; None for a recipe's."""
        return base_of(self.name)


def lock(workspace: Workspace, request: LockRequest) -> Iterator[LockUpdate | ImagefabError]:
    """Make locks, bases first, and write them when all are made. One that can't be made doesn't stop the others.

    A recipe's lock is stale while its base's is another, so an interrupted run writes none of them.
    """
    workspace.require_own_project("the recipes that ship with imagefab are already locked")
    scope = choose_scope(workspace, request)
    with workspace.open_fetcher() as fetcher:
        locker = Locker(workspace.project, ArchiveReader(fetcher, now=workspace.now), scope)
        recipes = _list_recipes(scope)
        made = [*_lock_bases(workspace, locker, recipes), *_lock_recipes(workspace, locker, recipes)]
    failed = {recipe.name for recipe in recipes} - {one.name for one in made if isinstance(one, Locked)}
    for name, before in locker.list_before():
        if name in failed and scope.upgrade and locker.has_moved(before):
            keep_whole(workspace.project, name, before, workspace.progress)
    for one in made:
        if isinstance(one, ImagefabError):
            yield one
            continue
        base = base_of(one.name)
        update = _write(one, None if base is None else _explain_base(locker, base, one, recipes))
        if base is None or update.changed or update.note is not None or base in scope.bases:
            yield update


def choose_scope(workspace: Workspace, request: LockRequest) -> Scope:
    """What a request is about; UsageError for a base that no recipe is on."""
    names = request.names
    bases = {base for name in names or () if (base := base_of(name)) is not None}
    recipes = workspace.load_recipes(None if names is None else [name for name in names if base_of(name) is None])
    scope = Scope(
        everyone=recipes if names is None else load_everyone(workspace, recipes),
        recipes=frozenset(recipe.name for recipe in recipes),
        bases=frozenset(bases),
        upgrade=request.upgrade,
        allow_downgrade=request.allow_downgrade,
    )
    for base in sorted(bases - scope.chains.keys()):
        raise UsageError(f"no recipe is on a base {quote(base)}", hint=suggest(base, list(scope.chains), noun="bases"))
    return scope


def _list_recipes(scope: Scope) -> list[Recipe]:
    """The recipes to lock: those that are named, and those on a base that is upgraded."""
    moved = scope.upgraded_bases
    return [one for one in scope.everyone if one.name in scope.recipes or moved & {base.name for base in one.bases}]


def _lock_bases(workspace: Workspace, locker: Locker, recipes: Sequence[Recipe]) -> Iterator[Locked | ImagefabError]:
    scope = locker.scope
    chains = [*(recipe.bases for recipe in recipes), *(scope.chains[name] for name in sorted(scope.bases))]
    failed: list[ImagefabError] = []
    for name in dict.fromkeys(base.name for chain in chains for base in chain):
        try:
            yield locker.lock_base(name)
        except ImagefabError as error:
            # Those above it fail for the same reason.
            if error not in failed:
                failed.append(error)
                yield place_error(workspace.project, scope.list_on(name)[0], error)


def _lock_recipes(workspace: Workspace, locker: Locker, recipes: Sequence[Recipe]) -> Iterator[Locked | ImagefabError]:
    for recipe in recipes:
        try:
            yield locker.lock_recipe(recipe)
        except ImagefabError as error:
            # A base's own error was reported for the base.
            if error not in locker.bases.values():
                yield place_error(workspace.project, recipe, error)


def _write(locked: Locked, note: str | None = None) -> LockUpdate:
    return LockUpdate(
        name=locked.name,
        changed=write_lock(locked.path, locked.file),
        first=locked.before.file is None,
        packages=locked.changes,
        note=note,
    )


def _explain_base(locker: Locker, name: str, locked: Locked, recipes: Sequence[Recipe]) -> str | None:
    """Say what becomes of the other recipes on a base."""
    scope, command = locker.scope, f"imagefab lock --upgrade {name_base(name)}"
    others = [one for one in scope.list_on(name) if one not in recipes]
    if not others:
        return None
    count = f"{len(others)} other {'recipe' if len(others) == 1 else 'recipes'}"
    if locked.has_changed:
        stale = [one for one in others if locker.stands_on_base(one)]
        return f"{count} on it must be locked again: run `imagefab lock`" if stale else None
    if scope.upgrade and any(one.bases[-1].name == name for one in recipes) and name not in scope.upgraded_bases:
        return f"kept, as {count} {'is' if len(others) == 1 else 'are'} on it too; `{command}` moves it for all"
    return None
