"""Differences split into parts: whatever the split, all parts laid over each other are the whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oci.sample_trees import file, folder, trees

from imagefab.oci.split import REST, split_difference
from imagefab.oci.tree import LayerDifference, RawLayer, Tree, apply_layer, find_difference, parents_of

TREE: Tree = {
    "etc": folder(),
    "etc/a": file(b"a"),
    "usr": folder(0o700),
    "usr/bin": folder(),
    "usr/bin/a": file(b"a"),
    "usr/bin/b": file(b"b"),
    "usr/share": folder(),
}


def split(groups: dict[str, str], difference: LayerDifference | None = None) -> dict[str, set[str]]:
    parts = split_difference(difference or find_difference({}, TREE), groups, ["one", "two"])
    return {name: set(part.changed) for name, part in parts}


def test_each_part_has_the_folders_above_its_files() -> None:
    assert split({"usr/bin/a": "one", "usr/bin/b": "two", "usr/bin": "one"}) == {
        "one": {"usr", "usr/bin", "usr/bin/a"},
        "two": {"usr", "usr/bin", "usr/bin/b"},
        REST: {"etc", "etc/a", "usr", "usr/share"},
    }


def test_what_has_no_files_is_no_part() -> None:
    assert list(split({"usr/bin/nothing": "one"})) == [REST]


def test_a_rest_of_nothing_is_no_part() -> None:
    tree = {"a": file(b"a")}
    assert split({"a": "one"}, find_difference({}, tree)) == {"one": {"a"}}
    assert split({}, LayerDifference({}, ())) == {REST: set()}, "but a step has at least one"


def test_what_is_removed_is_in_the_rest() -> None:
    after = {path: node for path, node in TREE.items() if path != "usr/bin/b"} | {"usr/bin/a": file(b"new")}
    (one, rest) = split_difference(find_difference(TREE, after), {"usr/bin/a": "one"}, ["one"])
    assert (one[0], one[1].removed, rest[0], rest[1].removed) == ("one", (), REST, ("usr/bin/b",))
    assert set(rest[1].changed) == {"usr", "usr/bin"}
    (only,) = split_difference(find_difference({"a": file()}, {}), {}, ["one"])
    assert only == (REST, LayerDifference({}, ("a",)))


def test_the_names_of_one_file_stay_together() -> None:
    tree: Tree = {name: file(b"x", inode=1) for name in ("a", "b", "c")}
    assert split({"a": "one", "b": "one", "c": "one"}, find_difference({}, tree)) == {"one": {"a", "b", "c"}}
    assert split({"a": "one", "b": "one", "c": "two"}, find_difference({}, tree)) == {REST: {"a", "b", "c"}}
    assert split({"a": "one", "b": "one"}, find_difference({}, tree)) == {REST: {"a", "b", "c"}}


@settings(max_examples=60)
@given(trees(), trees(), st.data())
def test_all_parts_make_the_whole(before: Tree, after: Tree, data: st.DataObject) -> None:
    difference = find_difference(before, after)
    groups = {path: data.draw(st.sampled_from(["one", "two", "three"])) for path in sorted(difference.changed)[::2]}
    made: Tree = dict(before)
    seen: set[str] = set()
    for _, part in split_difference(difference, groups, ["one", "two", "three"]):
        assert all(parent in part.changed for path in part.changed for parent in parents_of(path))
        files = {path for path, node in part.changed.items() if node.kind != "folder"}
        assert not files & seen
        seen |= files
        made = apply_layer(made, RawLayer(dict(part.changed), set(part.removed), set()))
    assert {path: node.row() for path, node in made.items()} == {path: node.row() for path, node in after.items()}
