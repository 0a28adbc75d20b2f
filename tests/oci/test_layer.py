"""Layers: written once, listed, found again in the store, and dropped when anything of them is damaged."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.oci.sample_trees import add_layer, file, folder, link, read_content, trees, write

from imagefab.digest import Digest
from imagefab.oci.layer import (
    CONTENTS,
    RECORDS,
    Layer,
    LayerFile,
    Origin,
    decode_listing,
    find_packed,
    find_step,
    read_tree,
    record_step,
    write_layers,
    write_step,
)
from imagefab.oci.tree import LayerDifference, Node, Tree, apply_layer, find_difference
from imagefab.store.store import Store

KEY = Digest.of_bytes(b"key")
TREE: Tree = {
    "bin": folder(),
    "bin/sh": file(b"#!", 0o755, inode=7),
    "bin/ash": file(b"#!", 0o755, inode=7),
    "bin/ping": file(b"ping", 0o755, capability="0100000200200000000000000000000000000000"),
    "lib": link("usr/lib"),
}


def open_tar(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(data)), encoding="utf-8")


def names(data: bytes) -> list[str]:
    return open_tar(data).getnames()


# -- writing ----------------------------------------------------------------------------------------------------------


def test_hard_links_lead_to_the_first_path_in_order() -> None:
    _, data = write(find_difference({}, TREE))
    tar = open_tar(data)
    assert tar.getnames() == ["bin", "bin/ash", "bin/ping", "bin/sh", "lib"]
    assert tar.getmember("bin/ash").isreg()
    assert (tar.getmember("bin/sh").islnk(), tar.getmember("bin/sh").linkname) == (True, "bin/ash")


def test_a_hard_link_whose_first_name_is_in_the_layer_below_is_a_file_here() -> None:
    before = {"bin": TREE["bin"], "bin/ash": TREE["bin/ash"]}
    _, data = write(find_difference(before, before | {"bin/sh": TREE["bin/sh"]}))
    assert open_tar(data).getmember("bin/sh").isreg()


def test_whiteouts_stand_where_they_sort() -> None:
    after = {"bin": TREE["bin"], "bin/new": file()}
    _, data = write(find_difference(TREE, after))
    assert names(data) == [".wh.lib", "bin", "bin/.wh.ash", "bin/.wh.ping", "bin/.wh.sh", "bin/new"]


def test_order_of_making_does_not_matter() -> None:
    backwards = dict(reversed(list(TREE.items())))
    assert write(find_difference({}, TREE))[1] == write(find_difference({}, backwards))[1]


def test_an_empty_difference_is_a_tar_too() -> None:
    _, data = write(LayerDifference({}, ()))
    assert names(data) == []


def test_a_file_that_changes_while_it_is_read_is_an_error() -> None:
    node = file(b"four")
    node.size = 5
    with pytest.raises(OSError, match="changed while"):
        write(LayerDifference({"x": node}, ()))


def test_the_hash_of_every_content_is_filled_in() -> None:
    node, second = file(b"x", inode=1), file(b"x", inode=1)
    node.sha = second.sha = ""
    write(LayerDifference({"a": node, "b": second}, ()))
    assert node.sha == second.sha == file(b"x").sha


# -- listings ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(trees(), trees())
def test_listings_of_two_layers_make_the_tree(one: Tree, two: Tree) -> None:
    first, _ = write(find_difference({}, one))
    second, _ = write(find_difference(one, two))
    assert {path: node.row() for path, node in read_tree([first.listing, second.listing]).items()} == {
        path: node.row() for path, node in two.items()
    }


def test_a_listing_names_what_was_removed() -> None:
    layer, _ = write(find_difference(TREE, {"bin": TREE["bin"]}))
    assert decode_listing(layer.listing).whiteouts == {"bin/ash", "bin/ping", "bin/sh", "lib"}


def test_nodes_survive_a_listing() -> None:
    node = Node("char", 0o600, 1, 2, 3, 4, "5", "6", (7, 8), "9")
    assert Node.from_row(json.loads(json.dumps(node.row()))) == node


@settings(max_examples=40)
@given(trees(), trees())
def test_the_tar_has_what_the_listing_has(one: Tree, two: Tree) -> None:
    layer, data = write(find_difference(one, two))
    listed = decode_listing(layer.listing)
    after = apply_layer(one, listed)
    members = open_tar(data).getmembers()
    real = [member for member in members if not member.name.rpartition("/")[2].startswith(".wh.")]
    assert sorted(member.name for member in real) == sorted(listed.nodes)
    assert len(members) - len(real) == len(listed.whiteouts)
    assert sorted(after) == sorted(two)


# -- the store --------------------------------------------------------------------------------------------------------

Warnings = list[str]


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def cut_off(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


def test_a_recorded_layer_is_found(store: Store) -> None:
    layer = add_layer(store, KEY, TREE)
    warnings: Warnings = []
    assert find_step(store, KEY, warnings.append) == (layer,)
    assert read_tree([store.read_blob(layer.listing)]).keys() == TREE.keys()
    assert Digest.of_bytes(store.read_blob(layer.digest)) == layer.digest
    assert Digest.of_bytes(gzip.decompress(store.read_blob(layer.digest))) == layer.diff_id
    assert not warnings
    assert not list((store.root / "layers").glob(".*"))


@pytest.mark.parametrize(
    "origin",
    [
        None,
        Origin(),
        Origin(engine="sandbox", version="1.0", plan=KEY),
        Origin(engine="builder far away", place="ghcr.io/acme/layers"),
    ],
)
def test_a_layers_origin_is_kept(store: Store, origin: Origin | None) -> None:
    """Stores from before it was written down have none."""
    layer = replace(add_layer(store, KEY, TREE), origin=origin)
    write_step(store, (layer,))
    found = find_step(store, KEY, pytest.fail)
    assert found is not None
    assert found[0].origin == origin


def test_an_unknown_key_is_no_warning(store: Store) -> None:
    warnings: Warnings = []
    assert find_step(store, KEY, warnings.append) is None
    assert not warnings


DAMAGES: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "flipped": flip_byte,
    "cut": cut_off,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", ["digest", "listing"])
def test_a_damaged_layer_is_reported_and_dropped(store: Store, which: str, damage: str) -> None:
    layer = add_layer(store, KEY, TREE)
    DAMAGES[damage](store.blob_path(getattr(layer, which)))
    warnings: Warnings = []
    assert find_step(store, KEY, warnings.append) is None
    assert len(warnings) == 1
    assert ("gone" if damage == "gone" else "damaged") in warnings[0]
    assert store.read_record(RECORDS, KEY) is None
    assert not store.has_blob(getattr(layer, which))
    assert find_step(store, KEY, warnings.append) is None
    assert len(warnings) == 1, "said once"
    assert add_layer(store, KEY, TREE) == layer, "built again"
    assert find_step(store, KEY, warnings.append) == (layer,)


@pytest.mark.parametrize(
    "change",
    [
        {"key": 5},
        {"key": str(Digest.of_bytes(b"another"))},
        {"digest": "sha256:short"},
        {"digest": None},
        {"members": None},
        {"members": ["x"]},
        {"members": []},
        {"members": [1, 2]},
        {"diff_id": str(Digest.of_bytes(b"another"))},
        {"name": "another"},
        {"plain_size": 1},
        {"size": 1},
        {"listing": ["x"]},
        {"origin": "sandbox"},
        {"origin": {"engine": ["sandbox"]}},
        {"origin": {"engine": "sand\nbox"}},
        {"origin": {"plan": "x"}},
    ],
)
def test_a_damaged_record_is_reported_and_dropped(store: Store, change: dict[str, object]) -> None:
    add_layer(store, KEY, TREE)
    record = store.read_record(RECORDS, KEY) or {}
    store.write_record(RECORDS, KEY, {**record, "layers": [{**record["layers"][0], **change}]})
    warnings: Warnings = []
    assert find_step(store, KEY, warnings.append) is None
    assert len(warnings) == 1
    assert store.read_record(RECORDS, KEY) is None


@pytest.mark.parametrize("value", [[], "text", 5, {}, {"layers": []}, {"layers": None, "checksum": ""}])
def test_a_record_of_another_kind(store: Store, value: object) -> None:
    store.write_record(RECORDS, KEY, value)
    warnings: Warnings = []
    assert find_step(store, KEY, warnings.append) is None
    assert len(warnings) == 1


def test_a_record_that_is_cut_off_is_ignored(store: Store) -> None:
    add_layer(store, KEY, TREE)
    path = store.root / "layers" / f"{KEY.hex}.json"
    path.write_bytes(path.read_bytes()[:20])
    assert find_step(store, KEY, pytest.fail) is None


def test_records_keep_all_of_a_layer(store: Store) -> None:
    layer = add_layer(store, KEY, TREE)
    assert Layer.from_record(json.loads(json.dumps(layer.record()))) == layer


# -- contents ---------------------------------------------------------------------------------------------------------


def write_again(store: Store, tree: Tree, folder: Path) -> LayerFile:
    folder.mkdir()
    with ThreadPoolExecutor(1) as pool:
        parts = [("layer", find_difference({}, tree))]
        (layer,) = write_layers(parts, read_content, folder, pool, partial(find_packed, store))
    return layer


def test_what_the_store_has_is_not_written_again(store: Store, tmp_path: Path) -> None:
    known = add_layer(store, KEY, TREE)
    again = write_again(store, TREE, tmp_path / "again")
    assert (again.path, again.packed.digest, again.packed.diff_id, again.packed.members) == (
        None,
        known.digest,
        known.diff_id,
        known.members,
    )
    other = Digest.of_bytes(b"other")
    (recorded,) = record_step(store, other, [again])
    assert find_step(store, other, pytest.fail) == (recorded,)


def test_hard_links_with_any_names(store: Store, tmp_path: Path) -> None:
    tree: Tree = {name: file(b"x", inode=1) for name in ("a\udcff", "b\udcfe")}
    assert write_again(store, tree, tmp_path / "odd").path is not None


def test_a_content_is_not_anothers(store: Store, tmp_path: Path) -> None:
    """A record that lies under another's name."""
    add_layer(store, KEY, TREE)
    (path,) = (store.root / CONTENTS).iterdir()
    other = write_again(store, {"x": file(b"x")}, tmp_path / "other")
    path.rename(store.root / CONTENTS / f"{other.content.hex}.json")
    assert find_packed(store, other.content) is None


def test_hard_links_are_content(store: Store, tmp_path: Path) -> None:
    add_layer(store, KEY, TREE)
    apart = {path: replace(node, inode=None) for path, node in TREE.items()}
    assert write_again(store, apart, tmp_path / "apart").path is not None


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_layer_is_written_again(damage: str, store: Store, tmp_path: Path) -> None:
    DAMAGES[damage](store.blob_path(add_layer(store, KEY, TREE).digest))
    assert write_again(store, TREE, tmp_path / "again").path is not None


@pytest.mark.parametrize("change", [{"digest": 5}, {"size": 1}, {"members": []}, {"checksum": None}])
def test_a_damaged_record_of_a_content(change: dict[str, object], store: Store, tmp_path: Path) -> None:
    add_layer(store, KEY, TREE)
    (path,) = (store.root / CONTENTS).iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert write_again(store, TREE, tmp_path / "again").path is not None
