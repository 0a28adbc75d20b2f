"""Garbage collection keeps what is named, and drops the rest."""

from __future__ import annotations

import pytest
from tests.oci.sample_trees import add_layer, file

from imagefab.digest import Digest
from imagefab.oci.layer import find_step
from imagefab.store.collect import Kept, collect_garbage
from imagefab.store.marker import MARKER
from imagefab.store.store import Store

NOTHING = Kept(blobs=frozenset(), records=frozenset())
KEYS = Digest.of_bytes(b"one"), Digest.of_bytes(b"two")


def fill(store: Store) -> Kept:
    """Two layers and two derived files; the first of each is to be kept."""
    one, _ = (add_layer(store, key, {"x": file(key.hex.encode())}) for key in KEYS)
    derived = [store.write_blob(f"derived {key}".encode()) for key in KEYS]
    for key, digest in zip(KEYS, derived, strict=True):
        store.write_record("derived", key, str(digest))
    store.folder("partial").joinpath("download").write_bytes(b"half")
    store.close()
    return Kept(blobs=frozenset({one.digest, one.listing, derived[0]}), records=frozenset({KEYS[0]}))


def files(store: Store) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()} - {
        "locks/store",
        MARKER,
    }


def test_what_is_named_stays_and_works(store: Store) -> None:
    kept = fill(store)
    freed = collect_garbage(store, kept, also=(), dry_run=False)
    assert freed > 0
    assert find_step(store, KEYS[0], pytest.fail) is not None
    assert find_step(store, KEYS[1], pytest.fail) is None
    blobs = {path.name for path in store.root.glob("blobs/sha256/*/*")}
    assert blobs == {path.name for path in store.root.glob("checked/*")} == {digest.hex for digest in kept.blobs}
    for kind in ("layers", "derived"):
        assert [path.stem for path in (store.root / kind).iterdir()] == [KEYS[0].hex]
    assert not any((store.root / "partial").iterdir())


def test_a_second_time_finds_nothing(store: Store) -> None:
    kept = fill(store)
    collect_garbage(store, kept, also=(), dry_run=False)
    assert collect_garbage(store, kept, also=(), dry_run=False) == 0


def test_a_dry_run_says_the_same_and_removes_nothing(store: Store) -> None:
    kept = fill(store)
    before = files(store)
    said = collect_garbage(store, kept, also=(), dry_run=True)
    assert files(store) == before
    assert said == collect_garbage(store, kept, also=(), dry_run=False)


def test_nothing_named_means_an_empty_store(store: Store) -> None:
    fill(store)
    collect_garbage(store, NOTHING, also=(), dry_run=False)
    assert not {name for name in files(store) if not name.startswith("locks/")}


def test_what_else_is_known_to_be_of_no_use_goes_too(store: Store) -> None:
    paths = [store.folder("indexes") / name for name in ("new", "old")]
    for path in paths:
        path.write_bytes(b"12345")
    assert collect_garbage(store, NOTHING, also=paths[1:], dry_run=True) == 5
    assert paths[1].exists()
    assert collect_garbage(store, NOTHING, also=paths[1:], dry_run=False) == 5
    assert [path.exists() for path in paths] == [True, False]


def test_an_empty_store(store: Store) -> None:
    assert collect_garbage(store, NOTHING, also=(), dry_run=False) == 0
