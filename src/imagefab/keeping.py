"""What a store keeps: what the locks name of all projects that use it.

A user's projects share one store. So each leaves a note in the store of where it is on this machine before it takes
anything from there, and keeps garbage collection away while it works. Garbage is what no project with a note needs. A
project that is gone is forgotten; one that can't be looked into stops it all, since nobody knows what it needs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import ImagefabError, StaleError
from imagefab.factory import Prepared, list_kept, lock_path, prepare_recipe
from imagefab.lock.file import find_lock
from imagefab.lock.staleness import platform_pins
from imagefab.oci.collect import Kept
from imagefab.oci.disk import StoreError, list_files
from imagefab.oci.store import Store
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.project import SETTINGS_FILE, Project, Settings, lay_out
from imagefab.toolchains.design import RULES

_NOTES = "projects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    kept: Kept
    roots: tuple[Path, ...]
    """The projects whose locks were counted."""
    gone: tuple[Path, ...]
    """Those that had a note and are no more."""


def remember_project(store: Store, project: Project) -> None:
    """Note that a project uses the store, which nobody else has alone until it is closed."""
    root = str(project.root)
    # From a store that nothing can be written to, nothing can be dropped either.
    with contextlib.suppress(StoreError):
        store.hold()
        if store.read_record(_NOTES, _key(project.root)) != root:
            store.write_record(_NOTES, _key(project.root), root)


def forget_projects(store: Store, roots: Sequence[Path]) -> None:
    for root in roots:
        store.drop_record(_NOTES, _key(root))


def count_projects(own: Project, prepared: Sequence[Prepared], store: Store, progress: Progress) -> Count:
    """What this project and all others that use the store keep of it. Have the store alone meanwhile."""
    kept, roots, gone = [list_kept(prepared, store)], [own.root], []
    for root in sorted(_list_notes(store)):
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


def _key(root: Path) -> Digest:
    return Digest.of_bytes(os.fsencode(root))


def _list_notes(store: Store) -> Iterator[Path]:
    for path in list_files(store.root / _NOTES):
        with contextlib.suppress(ValueError):
            root = store.read_record(_NOTES, Digest(path.stem))
            if isinstance(root, str):
                yield Path(root)


def _is_there(root: Path) -> bool:
    try:
        names = {path.name for path in root.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _explain_silence(root, str(error.strerror)) from error
    return SETTINGS_FILE in names or "recipes" in names


def _keep_for(project: Project, store: Store, progress: Progress) -> Kept:
    """What another project's locks name. Where one does not fit its recipe, that is packages, and no layers."""
    prepared: list[Prepared] = []
    loose: set[Digest] = set()
    try:
        for name in list_recipes(project):
            try:
                prepared += [prepare_recipe(project, recipe) for recipe in load_recipes(project, RULES, [name])]
            except ImagefabError:
                pins = _list_pins(project, name)
                if pins:
                    progress.warn(f"{project.root}: the lock of {name} does not fit; its packages are kept, no layers")
                loose |= pins
    except ImagefabError as error:
        raise _explain_silence(project.root, str(error)) from error
    kept = list_kept(prepared, store)
    return Kept(blobs=kept.blobs | loose, records=kept.records)


def _list_pins(project: Project, name: str) -> set[Digest]:
    path = lock_path(project, name)
    lock = find_lock(path, shown=project.show(path))
    if lock is None:
        return set()
    pins = {pin.sha256 for locked in lock.platforms for pin in platform_pins(lock, locked.platform)}
    return pins | {source.sha256 for source in lock.sources}


def _explain_silence(root: Path, reason: str) -> StaleError:
    return StaleError(
        f"what the project {root} needs of this store can't be told: {reason}",
        hint="nothing is dropped until it can; mend the project, or remove it when nobody needs it",
    )
