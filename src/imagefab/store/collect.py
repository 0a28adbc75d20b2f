"""Garbage collection: remove what a store does not need.

Locks determine what is kept. The rest is removed: layers, packages, derived files and unfinished downloads; and all
trees. The caller has exclusive access to the store from before it lists what to keep, so nothing a running build needs
is removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imagefab.digest import Digest
from imagefab.files.disk import list_files, list_folders
from imagefab.store.marker import list_blobs
from imagefab.store.store import Store

TREES = "trees"
"""The folder of layers that stay unpacked. They are quickly made again, so none is kept."""
MADE = "made.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    blobs: frozenset[Digest]
    records: frozenset[Digest]
    """Keys of layers and of derived files."""


def collect_garbage(store: Store, kept: Kept, *, also: Iterable[Path], dry_run: bool) -> int:
    """Remove what is not kept, and other files known to be useless; returns the bytes freed."""
    store.mark()
    freed = 0
    for path in [*_find_garbage(store.root, kept), *also]:
        freed += path.lstat().st_size
        if not dry_run:
            path.unlink()
    for tree in list_folders(store.root / TREES):
        size = read_made(tree)[0]
        if not dry_run:
            store.remove_folder(tree)
        if dry_run or not tree.exists():
            freed += size
    return freed


def read_made(tree: Path) -> tuple[int, str | None]:
    """A tree's size, and the boot of the machine in which it was made; None if that can't be read."""
    try:
        size, boot = json.loads((tree / MADE).read_bytes())
        return int(size), str(boot)
    except (OSError, ValueError, TypeError, RecursionError):
        return 0, None


def _find_garbage(root: Path, kept: Kept) -> Iterator[Path]:
    blobs = {digest.hex for digest in kept.blobs}
    records = {key.hex for key in kept.records}
    yield from (path for path in list_blobs(root) if path.name not in blobs)
    yield from (path for path in list_files(root / "checked") if path.name not in blobs)
    for kind in ("layers", "derived"):
        yield from (path for path in list_files(root / kind) if path.suffix == ".json" and path.stem not in records)
    yield from (path for path in list_files(root / "seen") if _read(path, "layer") not in records)
    kept_digests = {str(digest) for digest in kept.blobs}
    yield from (path for path in list_files(root / "contents") if _read(path, "digest") not in kept_digests)
    yield from list_files(root / "partial")


def _read(path: Path, key: str) -> str | None:
    try:
        value = json.loads(path.read_bytes()).get(key)
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return value if isinstance(value, str) else None
