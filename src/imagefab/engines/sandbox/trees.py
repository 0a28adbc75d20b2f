"""Layers that stay unpacked in the store, so that the next command in an image starts at once.

    trees/<key>/root         a layer's files, owned by the ids of one id map
    trees/<key>/made.json    its size, and the machine's boot in which it was made
    trees/<key>/lock         a flock, shared by all who use it; its time says when it was last used

A worker unpacks a layer that is not there into its job's own folder. When the job is done, the tree is moved into the
store, complete. It is used as a lower folder of overlays and so never written to. Nothing waits until a tree is on the
disk: after a crash of the machine it may not be, so trees of an earlier boot are made again.

An ordinary user's trees are those where root is that user, so that the user can remove the store as any other folder.
Only a store's owner has trees in it: root's, in another user's store, would be in that user's way.
What was not used for longest goes when there is more than `MOST_UNPACKED`. `imagefab gc` removes all of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from imagefab.digest import Digest
from imagefab.engines.boot import read_boot
from imagefab.engines.sandbox.ids import IdMap, choose_maps
from imagefab.engines.sandbox.job import LowerLayer
from imagefab.oci.layer import Layer
from imagefab.store.collect import MADE, TREES, read_made
from imagefab.store.store import Store

MOST_UNPACKED = 10 << 30
_FORM = 1
"""To be raised when a layer would be unpacked otherwise than before."""


@dataclass(slots=True)
class Loan:
    """The lower layers of one job. Trees that it uses stay in the store while the job runs."""

    layers: list[LowerLayer] = field(default_factory=list)
    made: set[int] = field(default_factory=set)
    """The numbers of the layers that the job has unpacked and that are to become trees of the store."""

    def lowers(self) -> list[LowerLayer]:
        """The layers for another attempt at the job, which need not unpack again what the last one did."""
        return [
            replace(layer, is_ready=layer.is_ready or number in self.made) for number, layer in enumerate(self.layers)
        ]


@contextlib.contextmanager
def lend_trees(store: Store, layers: Sequence[Layer], folder: Path, *, as_caller: bool = False) -> Iterator[Loan]:
    """Lend a job the trees of its layers. Those that are not there yet it is to unpack in its own folder.

    What it has unpacked is moved into the store at the end, when the job's worker must have ended.
    """
    keys = {}
    if layers and (as_caller or os.geteuid() == 0) and _is_own(store):
        keys = _choose_keys(layers, choose_maps(as_caller=as_caller))
    with contextlib.ExitStack() as leases:
        places = {number: _home(store) / key for number, key in keys.items()}
        kept = {number: place for number, place in places.items() if _hold(place, leases)}
        planned = {number: folder / TREES / str(number) for number in places if number not in kept}
        for place in planned.values():
            place.mkdir(parents=True)
        loan = Loan([_lower(store, layer, kept.get(n), planned.get(n)) for n, layer in enumerate(layers)])
        try:
            yield loan
        finally:
            for number in sorted(loan.made):
                _keep(store, places[number], planned[number], layers[number])
    if loan.made:
        _drop_oldest(store)


def _is_own(store: Store) -> bool:
    places = (store.root, store.root / TREES)
    return all(place.stat().st_uid == os.geteuid() for place in places if place.exists())


def _home(store: Store) -> Path:
    """Closed to others: a set-user-id program in a tree belongs to an id that nobody outside should become."""
    home = store.folder(TREES)
    if home.stat().st_mode & 0o077:
        home.chmod(0o700)
    return home


def _lower(store: Store, layer: Layer, kept: Path | None, planned: Path | None) -> LowerLayer:
    tree = kept or planned
    return LowerLayer(
        path=str(store.blob_path(layer.digest)),
        members=list(layer.members),
        listing=str(store.blob_path(layer.listing)),
        tree=None if tree is None else str(tree / "root"),
        is_ready=kept is not None,
    )


def _choose_keys(layers: Sequence[Layer], maps: tuple[IdMap, IdMap]) -> dict[int, str]:
    """The names of the layers' trees, by the layer's number.

    An overlay takes each folder once: of a layer that is there twice, only the first has a tree.
    """
    numbers = {layer.diff_id: number for number, layer in reversed(list(enumerate(layers)))}
    described = [asdict(one) for one in maps]
    return {number: Digest.of_json([_FORM, str(diff_id), described]).hex for diff_id, number in numbers.items()}


def _hold(tree: Path, leases: contextlib.ExitStack) -> bool:
    """Keep a tree from being removed until the leases end; False if it can't be used."""
    descriptor = _lock(tree, fcntl.LOCK_SH)
    if descriptor is None:
        return False
    if read_made(tree)[1] != read_boot():
        os.close(descriptor)
        return False
    leases.callback(os.close, descriptor)
    os.utime(descriptor)
    return True


def _lock(tree: Path, kind: int) -> int | None:
    """Lock a tree without waiting; None if it is locked otherwise, or not there any more."""
    try:
        descriptor = os.open(tree / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(tree / "lock")):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _keep(store: Store, tree: Path, made: Path, layer: Layer) -> None:
    """Move a complete tree into the store. Another process may have been first: then it stays where it is."""
    (made / MADE).write_text(json.dumps([layer.plain_size, read_boot()]))
    (made / "lock").touch(0o600)
    _drop(store, tree)
    with contextlib.suppress(OSError):
        made.rename(tree)


def _drop(store: Store, tree: Path) -> bool:
    """Remove a tree that nobody uses."""
    descriptor = _lock(tree, fcntl.LOCK_EX)
    if descriptor is None:
        return False
    try:
        gone = store.scratch_folder() / f"dropped-{tree.name}"
        tree.rename(gone)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    store.remove_folder(gone)
    return True


def _drop_oldest(store: Store) -> None:
    """Remove what was not used for longest, until the rest is within its bound."""
    found = []
    for tree in _home(store).iterdir():
        with contextlib.suppress(OSError):
            found.append((os.stat(tree / "lock").st_mtime, tree, read_made(tree)[0]))
    total = sum(size for _, _, size in found)
    for _, tree, size in sorted(found):
        if total <= MOST_UNPACKED:
            return
        if _drop(store, tree):
            total -= size
