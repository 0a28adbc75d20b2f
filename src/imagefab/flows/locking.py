"""Make the locks of recipes and of the bases that they share, in memory.

A base's lock is made once, and all recipes on it stand on that. So a base is upgraded when it is named, or when all
recipes on it are; an upgrade of some recipes moves what is their own.

A recipe's lock that was made when bases had none stays whole while the base's differs from what it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import ImagefabError, StaleError
from imagefab.flows.prepare import base_lock_path, design_blueprints, lock_path
from imagefab.flows.workspace import Workspace
from imagefab.lock.file import assemble_lock, find_lock_file, make_base, make_whole, read_bases_beside, write_lock
from imagefab.lock.join import join_locks, split_lock, stands_on
from imagefab.lock.make import make_lock
from imagefab.lock.mend import fits_base
from imagefab.lock.model import Lock, LockedBase, LockFile
from imagefab.lock.seed import Whole, seed_base
from imagefab.lock.staleness import PackageChange, compare_locks, inputs_digest
from imagefab.lock.text import NewerLockError
from imagefab.platforms import HOST_PLATFORMS
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.model import Base, Recipe, name_base
from imagefab.recipe.project import Project
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import design_base, name_base_layer


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is locked, and what of it is upgraded."""

    everyone: tuple[Recipe, ...]
    """All recipes of the project that can be loaded."""
    recipes: Set[str]
    bases: Set[str] = frozenset()
    """Bases that are named themselves."""
    upgrade: bool = False
    allow_downgrade: bool = False

    @cached_property
    def chains(self) -> dict[str, tuple[Base, ...]]:
        """By a base's name, it and those below it, root first."""
        return {
            recipe.bases[n].name: recipe.bases[: n + 1] for recipe in self.everyone for n in range(len(recipe.bases))
        }

    @cached_property
    def upgraded_bases(self) -> frozenset[str]:
        if not self.upgrade:
            return frozenset()
        named = {below.name for name in self.bases for below in self.chains[name]}
        return frozenset(
            name for name in self.chains if name in named or all(one.name in self.recipes for one in self.list_on(name))
        )

    def list_on(self, base: str) -> list[Recipe]:
        return [recipe for recipe in self.everyone if any(one.name == base for one in recipe.bases)]

    def upgrades(self, recipe: Recipe) -> bool:
        return self.upgrade and recipe.name in self.recipes


def load_everyone(workspace: Workspace, recipes: Sequence[Recipe]) -> tuple[Recipe, ...]:
    """These recipes, and all others of the project that can be loaded: they may share a base."""
    try:
        return workspace.load_recipes(None)
    except ImagefabError:
        found = {recipe.name: recipe for recipe in recipes}
    for name in list_recipes(workspace.project):
        if name not in found:
            with suppress(ImagefabError):
                found |= {recipe.name: recipe for recipe in workspace.load_recipes([name])}
    return tuple(found[name] for name in sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A lock as it is in the project."""

    file: LockFile | None = None
    """None if there is none, or no valid one."""
    lock: Lock | None = None
    """Joined with its bases'; None if they are not those that it was made on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A lock as it is to be."""

    path: Path
    file: LockFile
    lock: Lock
    """Joined with its bases'."""
    before: Before
    """What it was made from: for the first lock of a base that may be its recipes'."""

    @property
    def has_changed(self) -> bool:
        return self.file != self.before.file

    @property
    def name(self) -> str:
        return self.file.own.recipe

    @property
    def changes(self) -> tuple[PackageChange, ...]:
        """The packages that changed, without those of a base that has a lock of its own."""
        old = self.before.file
        if old is None:
            return compare_locks(None, self.file.own)
        if (old.base is None) == (self.file.base is None):
            return compare_locks(old.own, self.file.own)
        return compare_locks(self.before.lock, self.lock)


@dataclass
class Locker:
    """Makes locks, each once."""

    project: Project
    reader: ArchiveReader
    scope: Scope
    bases: dict[str, Locked | ImagefabError] = field(default_factory=dict)
    """The bases' locks that were made, or why they can't be, by name."""

    def __post_init__(self) -> None:
        # Read before any of them is written.
        self._before: dict[Path, Before | ImagefabError] = {}
        self._made: dict[str, LockedBase] = {}
        for name in list_recipes(self.project):
            self._read_before(lock_path(self.project, name), name)
        for name in self.scope.chains:
            self._read_before(base_lock_path(self.project, name), name_base(name))

    def lock_base(self, name: str) -> Locked:
        """Make the lock of a base, and of those below it."""
        if name not in self.bases:
            try:
                self.bases[name] = self._lock_base(self.scope.chains[name])
            except ImagefabError as error:
                self.bases[name] = error
        found = self.bases[name]
        if isinstance(found, ImagefabError):
            raise found
        return found

    def lock_recipe(self, recipe: Recipe) -> Locked:
        path = lock_path(self.project, recipe.name)
        before = self._require_before(path, upgrade=self.scope.upgrades(recipe))
        blueprints = design_blueprints(recipe)
        base = self._stand_on(recipe.bases)
        old = before.file
        if old is not None and old.base is None and not self.scope.upgrades(recipe):
            file = self._keep_whole(blueprints, base, old.own)
        else:
            file = self._lock_part(blueprints, base, old, upgrade=self.scope.upgrades(recipe))
        return Locked(path=path, file=file, lock=_join(file, base), before=before)

    def stands_on_base(self, recipe: Recipe) -> bool:
        """Whether the recipe's lock was made on its base's, and has not the base in itself."""
        before = self._before[lock_path(self.project, recipe.name)]
        return isinstance(before, Before) and before.file is not None and before.file.base is not None

    def has_moved(self, before: Lock, *, among: Collection[str] | None = None) -> bool:
        """Whether a base that a lock was made on, one of some bases if given, is another one now."""
        made = [(pin, self._made.get(pin.name)) for pin in before.bases if among is None or pin.name in among]
        return any(base is not None and base.pin != pin for pin, base in made)

    def list_before(self) -> Iterator[tuple[str, Lock]]:
        """All recipes' locks as they were, of those that were whole with their bases'."""
        for name in list_recipes(self.project):
            before = self._before[lock_path(self.project, name)]
            if isinstance(before, Before) and before.lock is not None:
                yield name, before.lock

    def _lock_base(self, chain: Sequence[Base]) -> Locked:
        name = chain[-1].name
        path = base_lock_path(self.project, name)
        upgrade = name in self.scope.upgraded_bases
        before = self._require_before(path, upgrade=upgrade)
        below = self._stand_on(chain[:-1])
        old = before.file
        blueprints = self._design_base(chain, old)
        if old is None and (seed := self._seed(blueprints, chain, below)) is not None:
            old = LockFile(own=seed, base=below.pin if below is not None else None)
        file = self._lock_part(blueprints, below, old, upgrade=upgrade)
        return Locked(path=path, file=file, lock=_join(file, below), before=replace(before, file=old))

    def _stand_on(self, chain: Sequence[Base]) -> LockedBase | None:
        if not chain:
            return None
        name = chain[-1].name
        file = self.lock_base(name).file
        if name not in self._made:
            self._made[name] = make_base(name, file, self._stand_on(chain[:-1]))
        return self._made[name]

    def _design_base(self, chain: Sequence[Base], old: LockFile | None) -> list[Blueprint]:
        """A base for all platforms that recipes on it have, and those that its lock has."""
        name = chain[-1].name
        wanted = {platform for recipe in self.scope.list_on(name) for platform in recipe.platforms}
        if old is not None and name not in self.scope.upgraded_bases:
            wanted |= {one.platform for one in old.own.platforms}
        return [design_base(chain, platform) for name, platform in HOST_PLATFORMS.items() if name in wanted]

    def _seed(self, blueprints: Sequence[Blueprint], chain: Sequence[Base], base: LockedBase | None) -> Lock | None:
        wholes = []
        for recipe in self.scope.list_on(chain[-1].name):
            before = self._before[lock_path(self.project, recipe.name)]
            if isinstance(before, Before) and before.file is not None and before.file.base is None:
                own = before.file.own
                is_fresh = own.inputs == inputs_digest(design_blueprints(recipe))
                wholes.append(Whole(lock=own, is_fresh=is_fresh))
        return seed_base(blueprints, name_base_layer(chain), wholes, base)

    def _keep_whole(self, blueprints: Sequence[Blueprint], base: LockedBase | None, own: Lock) -> LockFile:
        """A lock that has its bases in itself: it stands on its base's lock if that has the same."""
        own = make_lock(blueprints, self.reader, old=own, allow_downgrade=self.scope.allow_downgrade)
        if base is None or not stands_on(own, base.lock):
            return LockFile(own=own)
        return LockFile(own=split_lock(own, base.lock), base=base.pin)

    def _lock_part(
        self, blueprints: Sequence[Blueprint], base: LockedBase | None, old: LockFile | None, *, upgrade: bool
    ) -> LockFile:
        pin = base.pin if base is not None else None
        is_moved = old is not None and old.base != pin
        own = old.own if old is not None else None
        if base is not None and own is not None and is_moved and not upgrade and self._fits(blueprints, base, own):
            return LockFile(own=own, base=pin)
        own = make_lock(
            blueprints,
            self.reader,
            base=base,
            is_moved=is_moved,
            old=own,
            upgrade=upgrade,
            allow_downgrade=self.scope.allow_downgrade,
        )
        return LockFile(own=own, base=pin)

    def _fits(self, blueprints: Sequence[Blueprint], base: LockedBase, own: Lock) -> bool:
        """Whether nothing but the base has changed, and the lock's packages go with it as they are."""
        is_fresh = own.inputs == inputs_digest(blueprints)
        return is_fresh and fits_base(blueprints, base, own, self.reader.fetcher.store.blob_path)

    def _read_before(self, path: Path, name: str) -> None:
        shown = self.project.show(path)
        try:
            file = find_lock_file(path, recipe=name, shown=shown)
        except StaleError as error:
            self._before[path] = error
            return
        try:
            lock = assemble_lock(file, shown, read_bases_beside(path, shown)) if file is not None else None
        except StaleError:
            lock = None
        self._before[path] = Before(file=file, lock=lock)

    def _require_before(self, path: Path, *, upgrade: bool) -> Before:
        """The existing lock. An invalid one is made again, with a warning; a newer one only for an upgrade."""
        before = self._before[path]
        if isinstance(before, Before):
            return before
        if isinstance(before, NewerLockError):
            if not upgrade:
                raise before
        else:
            self.reader.fetcher.progress.warn(f"{before}; its pins are not kept")
        return Before()


def _join(file: LockFile, base: LockedBase | None) -> Lock:
    return file.own if file.base is None or base is None else join_locks(base, file.own)


def keep_whole(project: Project, recipe: str, before: Lock, progress: Progress) -> None:
    """Keep the lock usable of a recipe that can't follow its base: it gets what the base was."""
    write_lock(lock_path(project, recipe), make_whole(before))
    progress.warn(f"{recipe} keeps its packages, and those of its base as they were; they are in its own lock now")
