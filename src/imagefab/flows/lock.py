"""Write locks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import ImagefabError, UsageError
from imagefab.flows.locking import Locked, Locker, Scope, load_everyone
from imagefab.flows.prepare import place_error
from imagefab.flows.workspace import Workspace
from imagefab.lock.file import make_whole, write_lock
from imagefab.lock.model import Lock
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
    """Write locks one after another, bases first. A lock that can't be made doesn't stop the others."""
    workspace.require_own_project("the recipes that ship with imagefab are already locked")
    scope = choose_scope(workspace, request)
    with workspace.open_fetcher() as fetcher:
        locker = Locker(workspace.project, ArchiveReader(fetcher, now=workspace.now), scope)
        recipes = _list_recipes(scope)
        yield from _lock_bases(workspace, locker, recipes)
        before = dict(locker.list_before())
        for recipe in recipes:
            try:
                yield _write(locker.lock_recipe(recipe))
            except ImagefabError as error:
                # A base's own error was told already.
                if error not in locker.bases.values():
                    yield place_error(workspace.project, recipe, error)
                _keep(workspace, locker, recipe, before.get(recipe.name))


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


def _lock_bases(
    workspace: Workspace, locker: Locker, recipes: Sequence[Recipe]
) -> Iterator[LockUpdate | ImagefabError]:
    scope = locker.scope
    chains = [*(recipe.bases for recipe in recipes), *(scope.chains[name] for name in sorted(scope.bases))]
    for name in dict.fromkeys(base.name for chain in chains for base in chain):
        try:
            locked = locker.lock_base(name)
        except ImagefabError as error:
            if error not in [found for one, found in locker.bases.items() if one != name]:
                yield place_error(workspace.project, scope.list_on(name)[0], error)
            continue
        update = _write(locked, _explain_base(locker, name, locked, recipes))
        if update.changed or update.note is not None or name in scope.bases:
            yield update


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


def _keep(workspace: Workspace, locker: Locker, recipe: Recipe, before: Lock | None) -> None:
    """Keep a recipe's lock usable where its base was upgraded: it has what that was in itself."""
    if before is None or not locker.scope.upgrade or not locker.has_moved(before):
        return
    write_lock(locker.find_path(recipe.name), make_whole(before))
    workspace.progress.warn(
        f"{recipe.name} keeps its packages, and those of its base as they were; they are in its own lock now"
    )
