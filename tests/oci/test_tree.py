"""Raw layers applied to trees, and the canonical difference between two trees."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oci.sample_trees import EPOCH, file, folder, link, trees

from imagefab.errors import EngineError
from imagefab.oci.tree import (
    MADE,
    LayerDifference,
    Node,
    RawLayer,
    Tree,
    apply_layer,
    clamp_time,
    find_difference,
    parents_of,
    sort_paths,
)

LOWER: Tree = {
    "d": folder(),
    "d/one": file(b"1"),
    "d/two": file(b"2"),
    "e": folder(),
    "e/x": file(b"x"),
    "f": file(b"f"),
}


def raw(nodes: Tree | None = None, *, whiteouts: tuple[str, ...] = (), opaque: tuple[str, ...] = ()) -> RawLayer:
    return RawLayer(nodes or {}, set(whiteouts), set(opaque))


def difference(before: Tree, after: Tree) -> LayerDifference:
    return find_difference(before, after)


# -- applying ---------------------------------------------------------------------------------------------------------


def test_whiteout_removes_a_path_and_all_below_it() -> None:
    after = apply_layer(LOWER, raw(whiteouts=("d",)))
    assert sorted(after) == ["e", "e/x", "f"]


def test_whiteout_does_not_remove_what_only_begins_alike() -> None:
    after = apply_layer({"d": folder(), "d2": file()}, raw(whiteouts=("d",)))
    assert sorted(after) == ["d2"]


def test_whiteout_and_a_new_entry_of_the_same_name() -> None:
    after = apply_layer(LOWER, raw({"d": folder(), "d/three": file(b"3")}, whiteouts=("d",)))
    assert sorted(path for path in after if path.startswith("d")) == ["d", "d/three"]


def test_opaque_folder_hides_what_is_below_and_keeps_what_the_layer_brings() -> None:
    after = apply_layer(LOWER, raw({"d": folder(), "d/three": file(b"3")}, opaque=("d",)))
    assert sorted(path for path in after if path.startswith("d")) == ["d", "d/three"]


def test_folder_replaced_by_a_file_takes_its_content_along() -> None:
    after = apply_layer(LOWER, raw({"d": file(b"now a file")}))
    assert sorted(after) == ["d", "e", "e/x", "f"]
    assert after["d"].kind == "file"


@pytest.mark.parametrize("other", [link("e"), Node("fifo", 0o600)])
def test_folder_replaced_by_something_else(other: Node) -> None:
    assert "d/one" not in apply_layer(LOWER, raw({"d": other}))


def test_file_replaced_by_a_folder() -> None:
    after = apply_layer(LOWER, raw({"f": folder(), "f/inside": file()}))
    assert after["f"].kind == "folder"
    assert "f/inside" in after


def test_below_is_left_as_it_was() -> None:
    before = dict(LOWER)
    apply_layer(LOWER, raw({"d": file(), "new": file()}, whiteouts=("f",), opaque=("e",)))
    assert before == LOWER


def test_volatile_paths_do_not_exist() -> None:
    assert set(apply_layer({}, raw({"etc/hosts": file(), "var/log/x": file(), "etc/hosts.allow": file()}))) == {
        "etc/hosts.allow"
    }


# -- differences ------------------------------------------------------------------------------------------------------


def test_equal_entries_are_dropped() -> None:
    after = apply_layer(LOWER, raw({path: replace(node) for path, node in LOWER.items()}))
    assert difference(LOWER, after) == LayerDifference({}, ())


@pytest.mark.parametrize(
    "other",
    [
        file(b"2"),
        file(b"1", 0o600),
        file(b"1", uid=5),
        file(b"1", gid=5),
        file(b"1", capability="01"),
        replace(file(b"1"), mtime=EPOCH - 1),
        link("1"),
    ],
)
def test_any_difference_counts(other: Node) -> None:
    assert list(difference({"x": file(b"1")}, {"x": other}).changed) == ["x"]


@pytest.mark.parametrize("other", [link("b"), Node("link", 0o777, uid=1, mtime=EPOCH, target="a")])
def test_links_differ_by_target_and_owner(other: Node) -> None:
    assert "x" in difference({"x": link("a")}, {"x": other}).changed


def test_device_numbers_count() -> None:
    before = {"x": Node("char", 0o600, device=(1, 3))}
    assert "x" in difference(before, {"x": Node("char", 0o600, device=(1, 5))}).changed


def test_all_folders_above_a_change_are_in_the_layer() -> None:
    before: Tree = {"a": folder(0o700), "a/b": folder(), "a/b/c": folder(), "a/b/c/old": file()}
    changed = difference(before, before | {"a/b/c/new": file()}).changed
    assert set(changed) == {"a", "a/b", "a/b/c", "a/b/c/new"}
    assert changed["a"].mode == 0o700


def test_folders_above_a_removal_are_in_the_layer() -> None:
    found = difference(LOWER, {path: node for path, node in LOWER.items() if path != "d/one"})
    assert (set(found.changed), found.removed) == ({"d"}, ("d/one",))


def test_missing_parents_are_made() -> None:
    changed = difference({}, {"opt/tool/x": file()}).changed
    assert changed["opt"] == changed["opt/tool"] == Node("folder", 0o755, mtime=MADE)


def test_only_the_top_of_what_is_removed_is_named() -> None:
    assert difference(LOWER, {"f": LOWER["f"]}).removed == ("d", "e")


def test_folder_replaced_by_a_file_needs_no_whiteouts_and_back_neither() -> None:
    after: Tree = {"d": file(b"now a file"), "e": LOWER["e"], "e/x": LOWER["e/x"], "f": LOWER["f"]}
    there, back = difference(LOWER, after), difference(after, LOWER)
    assert (set(there.changed), there.removed) == ({"d"}, ())
    assert (set(back.changed), back.removed) == ({"d", "d/one", "d/two"}, ())


def test_order_is_by_parts_so_that_parents_come_first() -> None:
    assert sort_paths(["a-b", "a/b", "a", "a/b/c", "a.b", "é", "\udc80"]) == [
        "a", "a/b", "a/b/c", "a-b", "a.b", "\udc80", "é",
    ]  # fmt: skip


# -- properties -------------------------------------------------------------------------------------------------------


def as_layer(found: LayerDifference) -> RawLayer:
    return RawLayer(dict(found.changed), set(found.removed), set())


@given(trees(), trees())
def test_the_difference_leads_from_one_to_the_other(before: Tree, after: Tree) -> None:
    assert apply_layer(before, as_layer(difference(before, after))) == after


@given(trees())
def test_equal_trees_have_no_difference(tree: Tree) -> None:
    copy = {path: replace(node) for path, node in tree.items()}
    assert difference(tree, copy) == LayerDifference({}, ())


@given(trees(), trees())
def test_differences_are_minimal(before: Tree, after: Tree) -> None:
    found = difference(before, after)
    assert not set(found.removed) & set(found.changed)
    for path in [*found.changed, *found.removed]:
        assert set(parents_of(path)) <= set(found.changed)


@given(trees(), trees(), st.data())
def test_the_dialect_does_not_matter(before: Tree, after: Tree, data: st.DataObject) -> None:
    """Whiteouts or opaque markers, with or without entries for what has not changed: one canonical layer."""
    both = sorted(p for p in before if before[p].kind == "folder" and p in after and after[p].kind == "folder")
    opaque = set(data.draw(st.lists(st.sampled_from(both), unique=True))) if both else set()
    every = data.draw(st.booleans())
    gone = {path for path in before if path not in after}
    found = difference(before, after)
    nodes = {
        path: replace(node)
        for path, node in after.items()
        if every or path in found.changed or path in opaque or opaque & set(parents_of(path))
    }
    explicit = {path for path in gone if not opaque & set(parents_of(path))}
    spoken = RawLayer(nodes, explicit, opaque)
    assert difference(before, apply_layer(before, spoken)) == found


@pytest.mark.parametrize("kind", ["char", "block"])
def test_device_files_are_refused_but_where_nothing_stays(kind: Literal["char", "block"]) -> None:
    node = Node(kind, 0o600, device=(1, 3))
    assert apply_layer({}, RawLayer({"dev/x": node}, set(), set())) == {}
    with pytest.raises(EngineError, match="device file at /opt/x"):
        apply_layer({}, RawLayer({"opt/x": node}, set(), set()))


@pytest.mark.parametrize(("seconds", "found"), [(-1, 0), (0, 0), (5, 5), (EPOCH, EPOCH), (EPOCH + 1, MADE)])
def test_what_is_newer_than_the_epoch_was_made_by_the_build(seconds: int, found: int) -> None:
    assert clamp_time(seconds, EPOCH) == found
