"""What is a store and what is not: nothing is written to a folder of another kind, and nothing is removed from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.files.disk import StoreError
from imagefab.store.collect import Kept, collect_garbage
from imagefab.store.marker import MARKER
from imagefab.store.store import Store

KEY = Digest.of_bytes(b"key")
NOTHING = Kept(blobs=frozenset(), records=frozenset())


def list_all(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def sweep(root: Path) -> None:
    """Everything that removes something from a store."""
    store = Store(root)
    try:
        store.scratch_folder()
        store.drop_blob(KEY)
        store.drop_record("layers", KEY)
        collect_garbage(store, NOTHING, also=(), dry_run=False)
    finally:
        store.close()


def make_files(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_folder_becomes_a_store(tmp_path: Path, exists: bool) -> None:
    root = tmp_path / "store"
    if exists:
        root.mkdir()
        (root / "lost+found").mkdir()
    sweep(root)
    text = (root / MARKER).read_text()
    assert text.startswith("Signature: 8a477f597d28d172789f06886806bc55\n"), "as backup programs want it"
    assert "imagefab" in text


FOREIGN = [
    ("a file",),
    ("tmp/run-mine/file",),
    ("layers/x.json", "seen/x.json", "partial/file", "checked/x"),
    ("locks/store", "README.md"),
    ("locks/store", "partial/thesis", "seen/thesis", "checked/thesis", "layers/x.json"),
    ("blobs/md5/x", "locks/store"),
    (f"blobs/sha256/photos/{KEY.hex}", "locks/store"),
    (f"blobs/sha256/{KEY.hex}",),
    (MARKER, "partial/file"),
]


@pytest.mark.parametrize("names", FOREIGN, ids=" ".join)
def test_a_folder_of_another_kind_is_left_alone(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Even if what is in it is called as in a store."""
    root = tmp_path / "folder"
    make_files(root, *names)
    before = list_all(root)
    uses: list[Callable[[Store], object]] = [
        Store.scratch_folder,
        lambda store: store.write_blob(b"x"),
        lambda store: store.write_record("layers", KEY, {}),
        lambda store: store.drop_blob(KEY),
        lambda store: store.drop_record("layers", KEY),
        lambda store: collect_garbage(store, NOTHING, also=(), dry_run=False),
    ]
    for use in uses:
        with pytest.raises(StoreError, match="is not an imagefab store") as caught:
            use(Store(root))
        assert "--store DIR" in (caught.value.hint or "")
    assert list_all(root) == before


@pytest.mark.parametrize("left", ["all", "blobs"])
def test_a_store_from_before_there_were_markers_is_adopted(tmp_path: Path, left: str) -> None:
    root = tmp_path / "store"
    store = Store(root)
    digest = store.write_blob(b"content")
    store.write_record("projects", KEY, "")
    store.close()
    (root / MARKER).unlink()
    if left != "all":
        for path in root.iterdir():
            if path.name != "blobs":
                shutil.rmtree(path)
    old = Store(root)
    assert old.has_blob(digest)
    old.scratch_folder()
    old.close()
    assert (root / MARKER).is_file()


def test_nothing_behind_a_link_is_touched(tmp_path: Path) -> None:
    """A folder of a checkout may have a store's marker, and be made by a stranger."""
    mine = tmp_path / "mine"
    make_files(mine, "run-mine/file", "file", f"{KEY.hex}", f"{KEY.hex}.json", f"{KEY.hex[:2]}/{KEY.hex}", "claim/file")
    before = list_all(mine)
    for link, target in (
        ("tmp", "."),
        ("tmp/run-x", "run-mine"),
        ("partial", "."),
        ("checked", "."),
        ("layers", "."),
        ("blobs", "."),
        ("blobs/sha256", "."),
        (f"blobs/sha256/{KEY.hex[:2]}", "."),
    ):
        root = tmp_path / "store"
        Store(root).mark()
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(mine / target)
        try:
            sweep(root)
        except StoreError as error:
            assert "a link leads out of" in error.problem
        assert list_all(mine) == before, link
        shutil.rmtree(root)


def test_garbage_is_what_is_called_like_a_stores(store: Store) -> None:
    store.write_blob(b"content")
    make_files(store.root, "blobs/sha256/README", "blobs/sha256/ab/README", "blobs/sha256/photos/x")
    (store.root / "partial" / "folder").mkdir(parents=True)
    collect_garbage(store, NOTHING, also=(), dry_run=False)
    for name in ("blobs/sha256/README", "blobs/sha256/ab/README", "blobs/sha256/photos/x", "partial/folder"):
        assert (store.root / name).exists()
    assert not store.has_blob(Digest.of_bytes(b"content"))
