"""Edits of TOML: the value is there, in the form that the file uses, and every other byte is where it was."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.cross.sample_cross_tomls import TRIPLES, cross_tomls

from imagefab.toml.edit import Change, EditError, change_text, find_value, format_value, list_differences, read_data

IMAGE = ("target", "a", "image")


def put(text: str, value: Any = "NEW") -> str:
    return change_text(text, [Change(IMAGE, value)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[target.a]\nimage = "NEW"\n'),
        ("# hello\n", '# hello\n\n[target.a]\nimage = "NEW"\n'),
        ("# hello", '# hello\n\n[target.a]\nimage = "NEW"\n'),
        ("\n\n", '\n\n[target.a]\nimage = "NEW"\n'),
        # a value that is there
        ('[target.a] # a\n  image="old"\t# keep\nx = 1\n', '[target.a] # a\n  image="NEW"\t# keep\nx = 1\n'),
        ("[target.a]\nimage = '''\nold\n''' # x", '[target.a]\nimage = "NEW" # x'),
        ("target.a.image='old'", 'target.a.image="NEW"'),
        ("target = { a = { image = 'old' }, b = 1 }", 'target = { a = { image = "NEW" }, b = 1 }'),
        ("[target.a]\nimage = { name = 'x', toolchain = [] } # t\n", '[target.a]\nimage = "NEW" # t\n'),
        ("[target.a]\nimage = true # t\n", '[target.a]\nimage = "NEW" # t\n'),
        # a table that is there
        ("[target.a]\n[target.b]\n", '[target.a]\nimage = "NEW"\n[target.b]\n'),
        ("[target.a]", '[target.a]\nimage = "NEW"\n'),
        ("[ target.'a' ] # a\nx = 1\n\n# of b\n[b]\n", '[ target.\'a\' ] # a\nx = 1\nimage = "NEW"\n\n# of b\n[b]\n'),
        ("[target.a]\nx = [\n  1, # one\n]\n[b]\n", '[target.a]\nx = [\n  1, # one\n]\nimage = "NEW"\n[b]\n'),
        ("[target]\n\t[target.a]\n\t\tx = 1\n", '[target]\n\t[target.a]\n\t\tx = 1\n\t\timage = "NEW"\n'),
        ("[target.a.env]\ny = 1\n[target.a]\nx = 1\n", '[target.a.env]\ny = 1\n[target.a]\nx = 1\nimage = "NEW"\n'),
        # dotted keys and inline tables
        ("target.a.x = 1\ntarget.b.x = 1\n", 'target.a.x = 1\ntarget.a.image = "NEW"\ntarget.b.x = 1\n'),
        ("target . a . x = 1", 'target . a . x = 1\ntarget . a . image = "NEW"\n'),
        ("target.b.x = 1\ny = 1\n", 'target.b.x = 1\ntarget.a.image = "NEW"\ny = 1\n'),
        ("[target]\na.x = 1\nb.x = 1\n", '[target]\na.x = 1\na.image = "NEW"\nb.x = 1\n'),
        ("target.a.x = 1\n[target.a.env]\ny = 1\n", 'target.a.x = 1\ntarget.a.image = "NEW"\n[target.a.env]\ny = 1\n'),
        ("[target]\na = { x = 1 } # a\n", '[target]\na = { x = 1, image = "NEW" } # a\n'),
        ("[target]\na = {}", '[target]\na = { image = "NEW" }'),
        ("target = {b={x=1}}\n", 'target = {b={x=1}, a = { image = "NEW" }}\n'),
        # a new table, where it moves no comment to another table
        ("[target.b]\nx = 1\n\n[c]\ny = 1\n", '[target.b]\nx = 1\n\n[target.a]\nimage = "NEW"\n\n[c]\ny = 1\n'),
        ("[target.b]\n# of c\n[c]\n", '[target.b]\n\n[target.a]\nimage = "NEW"\n\n# of c\n[c]\n'),
        (
            "[target.b]\nx = 1\n# of b\n\n# of c\n# too\n[c]\n",
            '[target.b]\nx = 1\n# of b\n\n[target.a]\nimage = "NEW"\n\n# of c\n# too\n[c]\n',
        ),
        ("[c]\ny = 1\n# the end\n", '[c]\ny = 1\n# the end\n\n[target.a]\nimage = "NEW"\n'),
        ("[[c]]\ny = 1\n[d]\n[[c]]\ny = 2", '[[c]]\ny = 1\n[d]\n[[c]]\ny = 2\n\n[target.a]\nimage = "NEW"\n'),
        ("[target.a.env]\ny = 1\n", '[target.a.env]\ny = 1\n\n[target.a]\nimage = "NEW"\n'),
        # ends of lines, byte order mark
        ("[target.a]\r\nx = 1\r\n", '[target.a]\r\nx = 1\r\nimage = "NEW"\r\n'),
        ("[b]\r\nx = true\r\n", '[b]\r\nx = true\r\n\r\n[target.a]\r\nimage = "NEW"\r\n'),
        ("[b]\nx = 1\n[target.a]\r\n[c]\n", '[b]\nx = 1\n[target.a]\r\nimage = "NEW"\r\n[c]\n'),
        ("\ufeff[target.a]\nx = 1", '\ufeff[target.a]\nx = 1\nimage = "NEW"\n'),
    ],
)  # fmt: skip
def test_put(before: str, after: str) -> None:
    assert put(before) == after
    assert put(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[target.a]\nimage.name = 'x' # why\n  image.toolchain = []\ny = 1\n", "[target.a]\n# why\ny = 1\n"),
        (
            "[target.a]\ny = 1\n\n# an image\n[target.a.image]\nname = 'x'\n# hosts\ntoolchain = [\n  'y',\n]\n[b]\n",
            "[target.a]\ny = 1\n\n# an image\n# hosts\n[b]\n",
        ),
        ("[target.a]\nimage = 'x'", "[target.a]\n"),
        ("[target.a]\r\nimage = 'x'\r\ny = 1\r\n", "[target.a]\r\ny = 1\r\n"),
        ("[target.a]\ny = 1\n", "[target.a]\ny = 1\n"),
    ],
)
def test_take_out(before: str, after: str) -> None:
    assert change_text(before, [Change(IMAGE, None)]) == after


def test_a_dotted_triple_is_quoted() -> None:
    text = change_text("", [Change(("target", "thumbv8m.base-none-eabi", "image"), "x")])
    assert text == '[target."thumbv8m.base-none-eabi"]\nimage = "x"\n'


@pytest.mark.parametrize(
    "text",
    [
        "target = 1\n",
        "target = [1]\n",
        "[target]\na = 'x'\n",
        "[[target]]\nx = 1\n",
        "[[target.a]]\nx = 1\n",
        "[target.a]\nimage.name = 'x'\n",
        "[target.a.image]\nname = 'x'\n",
    ],
)
def test_values_that_cannot_be_put_in(text: str) -> None:
    with pytest.raises(EditError):
        put(text)


@pytest.mark.parametrize("depth", [100, 200, 300, 400, 500])
@pytest.mark.parametrize("text", ["[{}]\n", "{} = 1\n"])
def test_files_nested_too_deeply(text: str, depth: int) -> None:
    text = text.format(".".join("a" * depth))
    try:
        changed = put(text)
    except EditError:
        return
    assert changed == text + '\n[target.a]\nimage = "NEW"\n'


def test_several_changes_are_one_after_the_other() -> None:
    text = "[target.a.image]\nname = 'x'\nother = 1\n\n[b]\n"
    changed = change_text(text, [Change(IMAGE, None), Change(IMAGE, "y"), Change(("b", "c", "d"), ["e"])])
    assert read_data(changed) == {"target": {"a": {"image": "y"}}, "b": {"c": {"d": ["e"]}}}


def test_differences() -> None:
    data = {"target": {"a": {"image": {"name": "x"}, "linker": "y"}}}
    changes = [Change(IMAGE, None), Change(IMAGE, "z"), Change(("target", "b", "image"), ["w"])]
    found = [(one.path, one.wanted, one.found) for one in list_differences(data, changes)]
    assert found == [(IMAGE, "z", '{ name = "x" }'), (("target", "b", "image"), '["w"]', None)]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)


@given(st.recursive(texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=5))
def test_values_are_read_as_they_were(value: Any) -> None:
    assert tomllib.loads(f"x = {format_value(value)}") == {"x": value}


# -- any file ---------------------------------------------------------------------------------------------------------


def find_kept(before: str, after: str) -> tuple[str, str]:
    """What two texts have in common at their beginnings and ends."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return before[:head], before[len(before) - tail :]


@given(cross_tomls(), st.sampled_from(TRIPLES), st.sampled_from(["NEW", {"name": "NEW", "toolchain": ["x"]}]))
@example("[target.a]\nimage = 'x'", "a", "NEW")
@example("target = {}", "a", "NEW")
def test_only_the_value_changes(text: str, triple: str, value: Any) -> None:
    data = read_data(text)
    path = ("target", triple, "image")
    try:
        after = change_text(text, [Change(path, value)])
    except EditError:
        # Either there is no place for it, or it is spread over several statements, which only taking out undoes.
        tables = [find_value(data, path[:depth]) for depth in (1, 2)]
        assert isinstance(find_value(data, path), dict) or any(
            t is not None and not isinstance(t, dict) for t in tables
        )
        return
    assert change_text(after, [Change(path, value)]) == after
    # One splice: all that was there is still there, around it, but for a value that was there.
    head, tail = find_kept(text, after)
    replaced = text[len(head) : len(text) - len(tail)]
    if find_value(data, path) is None:
        assert replaced == ""
    else:
        assert "target" not in replaced and replaced.count("\n") <= 2
    new = after[len(head) : len(after) - len(tail)]
    assert "#" not in new
    wanted = data
    for key in path[:-1]:
        wanted = wanted.setdefault(key, {})
    wanted["image"] = value
    assert read_data(after) == data


@given(cross_tomls(), st.sampled_from(TRIPLES))
def test_taking_out_leaves_all_comments(text: str, triple: str) -> None:
    path = ("target", triple, "image")
    if find_value(read_data(text), path) is None:
        return
    try:
        after = change_text(text, [Change(path, None)])
    except EditError:
        return
    assert find_value(read_data(after), path) is None
    kept = [line.strip() for line in text.splitlines() if line.strip().startswith("#")]
    left = [line.strip() for line in after.splitlines()]
    assert all(line in left for line in kept)
