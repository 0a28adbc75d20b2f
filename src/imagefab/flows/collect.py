"""Garbage collection: a store keeps what the locks of all projects that use it refer to.

All of a user's projects share one store. Before a project takes anything from it, it leaves a note in the store with
its path, and holds off garbage collection while it works. Garbage is what no project with a note needs. Projects that
no longer exist are forgotten; one that can't be read stops the collection, since its needs are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.debian.archive import list_stale_indexes
from imagefab.digest import Digest
from imagefab.errors import ImagefabError, StaleError
from imagefab.flows.notes import forget_projects, list_noted_projects
from imagefab.flows.prepare import Prepared, base_lock_path, lock_path, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.lock.file import find_lock_file
from imagefab.lock.staleness import platform_pins
from imagefab.oci.layer import find_step
from imagefab.plan.derive import Deriver
from imagefab.plan.model import DerivedContent
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.model import name_base
from imagefab.recipe.project import SETTINGS_FILE, Project, Settings, lay_out
from imagefab.store.collect import Kept, collect_garbage
from imagefab.store.store import Store
from imagefab.toolchains.design import RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    roots: tuple[Path, ...]
    """The projects whose locks were counted."""
    gone: tuple[Path, ...]
    """Projects that used the store and no longer exist."""
    freed: int
    """Bytes freed, or that would be."""


def collect(workspace: Workspace, *, dry_run: bool) -> Collected:
    """Remove everything from the store that no lock of any project refers to."""
    store = workspace.store
    with store.alone():
        count = count_projects(workspace.project, workspace.prepare(None), store, workspace.progress)
        stale = list_stale_indexes(store.folder("indexes"))
        freed = collect_garbage(store, count.kept, also=stale, dry_run=dry_run)
        if not dry_run:
            forget_projects(store, count.gone)
    return Collected(roots=count.roots, gone=count.gone, freed=freed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    kept: Kept
    roots: tuple[Path, ...]
    """The projects whose locks were counted."""
    gone: tuple[Path, ...]
    """Projects that had a note and no longer exist."""


def list_kept(prepared: Iterable[Prepared], store: Store) -> Kept:
    """Everything in the store that a project's locks refer to."""
    blobs: set[Digest] = set()
    records: set[Digest] = set()
    for one in prepared:
        blobs |= {source.sha256 for source in one.lock.sources}
        for plan in one.plans:
            blobs |= {pin.sha256 for pin in platform_pins(one.lock, plan.platform.name)}
            for planned in plan.layers:
                layers = find_step(store, planned.key, lambda _: None)
                if layers is not None:
                    records.add(planned.key)
                    blobs |= {digest for layer in layers for digest in (layer.digest, layer.listing)}
            deriver = Deriver(store, plan.epoch)
            for given in (given for planned in plan.layers for given in planned.inputs):
                if isinstance(given.content, DerivedContent):
                    records.add(deriver.key(given.content))
                    if (derived := deriver.find(given.content)) is not None:
                        blobs.add(derived)
    return Kept(blobs=frozenset(blobs), records=frozenset(records))


def count_projects(own: Project, prepared: Sequence[Prepared], store: Store, progress: Progress) -> Count:
    """What this project and all others that use the store need. The caller must hold the store alone."""
    kept, roots, gone = [list_kept(prepared, store)], [own.root], []
    for root in sorted(list_noted_projects(store)):
        if root == own.root:
            continue
        if not _is_there(root):
            gone.append(root)
            continue
        kept.append(_keep_for(lay_out(root, Settings()), store, progress))
        roots.append(root)
    return Count(
        kept=Kept(
            blobs=frozenset().union(*(one.blobs for one in kept)),
            records=frozenset().union(*(one.records for one in kept)),
        ),
        roots=tuple(roots),
        gone=tuple(gone),
    )


def _is_there(root: Path) -> bool:
    try:
        names = {path.name for path in root.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _explain_silence(root, str(error.strerror)) from error
    return SETTINGS_FILE in names or "recipes" in names


def _keep_for(project: Project, store: Store, progress: Progress) -> Kept:
    """What another project's locks refer to. A stale lock keeps its packages, but no layers."""
    prepared: list[Prepared] = []
    loose: set[Digest] = set()
    try:
        for name in list_recipes(project):
            try:
                prepared += [prepare_recipe(project, recipe) for recipe in load_recipes(project, RULES, [name])]
            except ImagefabError:
                pins = _list_pins(project, name)
                if pins:
                    progress.warn(
                        f"{project.root}: the lock of {name} is stale; its packages are kept, its layers are not"
                    )
                loose |= pins
    except ImagefabError as error:
        raise _explain_silence(project.root, str(error)) from error
    kept = list_kept(prepared, store)
    return Kept(blobs=kept.blobs | loose, records=kept.records)


def _list_pins(project: Project, name: str) -> set[Digest]:
    """What a lock names, with its bases' locks as they are now."""
    found: set[Digest] = set()
    todo = [(name, lock_path(project, name))]
    for one, path in todo:
        file = find_lock_file(path, recipe=one, shown=project.show(path))
        if file is None:
            continue
        own = file.own
        found |= {pin.sha256 for locked in own.platforms for pin in platform_pins(own, locked.platform)}
        found |= {source.sha256 for source in own.sources}
        below = (name_base(file.base.name), base_lock_path(project, file.base.name)) if file.base is not None else None
        if below is not None and below not in todo:
            todo.append(below)
    return found


def _explain_silence(root: Path, reason: str) -> StaleError:
    return StaleError(
        f"can't find out what the project {root} needs of this store: {reason}",
        hint="nothing is removed until then; fix the project, or delete it",
    )
