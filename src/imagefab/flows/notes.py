"""Track which projects use a store, by a note in it with each project's path on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagefab.digest import Digest
from imagefab.files.disk import StoreError, list_files
from imagefab.recipe.project import Project
from imagefab.store.store import Store

_NOTES = "projects"


def remember_project(store: Store, project: Project) -> None:
    """Note that a project uses the store, and hold it, so that no one has it alone until it is closed."""
    root = str(project.root)
    # Nothing can be removed from a read-only store, so it needs no note.
    with contextlib.suppress(StoreError):
        store.hold()
        if store.read_record(_NOTES, _key(project.root)) != root:
            store.write_record(_NOTES, _key(project.root), root)


def forget_projects(store: Store, roots: Sequence[Path]) -> None:
    for root in roots:
        store.drop_record(_NOTES, _key(root))


def _key(root: Path) -> Digest:
    return Digest.of_bytes(os.fsencode(root))


def list_noted_projects(store: Store) -> Iterator[Path]:
    for path in list_files(store.root / _NOTES):
        with contextlib.suppress(ValueError):
            root = store.read_record(_NOTES, Digest(path.stem))
            if isinstance(root, str):
                yield Path(root)
