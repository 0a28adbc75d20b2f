"""The outline finds what tomllib reads, wherever and however it is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.toml.positions import Outline, Path, format_path, locate_offset

DOCUMENT = '''\
# a comment with = and [brackets]
title = "a # b = c"
"quoted key" = 1
'literal' = 2
dotted . key = 3
inline = { a = 1, "b c" = [1, { d = 2 }], e.f = 3 }

[packages]   # comment
host = [
    "one",   # first, ] and "
    "two",
]

[[sources]]
name = "a"
text = """
[not.a.header]
x = 1 \\"""
"""""

[[run]]
script = \'\'\'
key = 'value'
\'\'\'

[[sources]]
name = "b"

[sources.extra]
x = 1
[super.table]
y = 1979-05-27 07:32:00
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("title",), (2, 1), (2, 9)),
        (("quoted key",), (3, 1), (3, 16)),
        (("literal",), (4, 1), (4, 13)),
        (("dotted",), (5, 1), (5, 1)),
        (("dotted", "key"), (5, 10), (5, 16)),
        (("inline",), (6, 1), (6, 10)),
        (("inline", "b c"), (6, 19), (6, 27)),
        (("inline", "b c", 1), (6, 31), (6, 31)),
        (("inline", "b c", 1, "d"), (6, 33), (6, 37)),
        (("inline", "e", "f"), (6, 45), (6, 49)),
        (("packages",), (8, 2), (8, 1)),
        (("packages", "host", 1), (11, 5), (11, 5)),
        (("sources",), (14, 3), (14, 1)),
        (("sources", 0), (14, 3), (14, 1)),
        (("sources", 0, "text"), (16, 1), (16, 8)),
        (("run", 0, "script"), (22, 1), (22, 10)),
        (("sources", 1), (26, 3), (26, 1)),
        (("sources", 1, "name"), (27, 1), (27, 8)),
        (("sources", 1, "extra", "x"), (30, 1), (30, 5)),
        (("super",), (31, 2), (31, 2)),
        (("super", "table", "y"), (32, 1), (32, 5)),
    ],
)
def test_key_and_value_are_found(path: Path, key: tuple[int, int], value: tuple[int, int]) -> None:
    outline = Outline(DOCUMENT)
    assert outline.find(path, on_key=True) == key
    assert outline.find(path) == value


def test_a_missing_key_has_the_position_of_its_table() -> None:
    outline = Outline(DOCUMENT)
    assert outline.find(("sources", 1, "url")) == (26, 1)
    assert outline.find(("nowhere",)) is None
    assert outline.find(()) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), '"a # b = c"'),
        (("literal",), "2"),
        (("dotted",), None),
        (("dotted", "key"), "3"),
        (("inline",), '{ a = 1, "b c" = [1, { d = 2 }], e.f = 3 }'),
        (("inline", "b c", 1, "d"), "2"),
        (("inline", "e"), None),
        (("packages",), None),
        (("packages", "host"), '[\n    "one",   # first, ] and "\n    "two",\n]'),
        (("packages", "host", 1), None),
        (("super", "table", "y"), "1979-05-27 07:32:00"),
        (("nowhere",), None),
    ],
)
def test_spans_of_values(path: Path, value: str | None) -> None:
    span = Outline(DOCUMENT).span(path)
    assert (None if span is None else DOCUMENT[slice(*span)]) == value


def test_statements() -> None:
    found = [(DOCUMENT[one.start : one.end], one.table) for one in Outline(DOCUMENT).statements]
    assert found[3] == ("dotted . key = 3", ())
    assert found[5] == ("[packages]", ("packages",))
    assert found[6][0].endswith("\n]")
    assert found[-4:] == [
        ("[sources.extra]", ("sources", 1, "extra")),
        ("x = 1", ("sources", 1, "extra")),
        ("[super.table]", ("super", "table")),
        ("y = 1979-05-27 07:32:00", ("super", "table")),
    ]
    dotted = Outline(DOCUMENT).statements[3]
    assert (dotted.path, [DOCUMENT[part] for part in dotted.parts], dotted.is_header) == (
        ("dotted", "key"),
        ["d", "k"],
        False,
    )


def test_format_path() -> None:
    assert format_path(("files", 0, "path")) == "files[0].path"


@st.composite
def toml_documents(draw: st.DrawFn) -> str:
    """Valid TOML of all shapes. Every leaf is unique, so that a position can be told right from wrong."""
    count = iter(range(1000, 9999))
    styles = st.sampled_from(['"v{}"', "'v{}'", '"""v{}\n= [x]\n"""', "'''v{} ] # '''", "{}", '"""v{}\\""""""'])
    gap = st.sampled_from(["", " ", "\t"])
    wide = st.sampled_from(["", " ", "\n", " # ] , }\n", "\n\n  "])

    def key() -> str:
        part = draw(st.sampled_from(["k{}", '"k {}"', "'k.{}'", '"\\u006b{}"'])).format(next(count))
        return part + draw(st.sampled_from(["", ".s", ' . "t u"']))

    def value(depth: int) -> str:
        shape = draw(st.sampled_from(["leaf", "leaf", "array", "table"])) if depth else "leaf"
        items = range(draw(st.integers(0, 3)))
        if shape == "array":
            return "[" + "".join(f"{draw(wide)}{value(depth - 1)}{draw(wide)}," for _ in items) + draw(wide) + "]"
        if shape == "table":
            return "{" + ",".join(f"{draw(gap)}{pair(depth - 1)}{draw(gap)}" for _ in items) + "}"
        return draw(styles).format(next(count))

    def pair(depth: int) -> str:
        return f"{key()}{draw(gap)}={draw(gap)}{value(depth)}"

    lines = ["[[a]]", "[[b.c]]"] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 12))):
        match draw(st.sampled_from(["pair", "pair", "table", "array", "comment"])):
            case "pair":
                lines.append(draw(gap) + pair(2))
            case "table":
                # Arrays must be there before tables inside of them.
                inside = ["t{}", "[ t{} ]", '"t {}".u']
                lines.append("[" + draw(st.sampled_from(inside)).strip("[]").format(next(count)) + "]")
                if lines[0] == "[[a]]" and draw(st.booleans()):
                    lines.append(f"[ a . s{next(count)} ]")
            case "array" if lines[:1] == ["[[a]]"]:
                lines.append(draw(st.sampled_from(["[[a]]", "[[ b . c ]] # again", "[[a.x]]"])))
            case _:
                lines.append(draw(st.sampled_from(["", "# [x] = {", " "])))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in children:
        yield (*path, step), child
        yield from walk(child, (*path, step))


@given(toml_documents())
def test_all_that_tomllib_reads_is_found(text: str) -> None:
    lines = text.split("\n")
    outline = Outline(text)
    for path, value in walk(tomllib.loads(text)):
        found = outline.find(path)
        assert found is not None
        if not isinstance(value, (dict, list)):
            rest = lines[found[0] - 1][found[1] - 1 :].lstrip("\"'")
            assert rest.startswith(str(value).split("\n")[0].strip()[:5])
        if isinstance(path[-1], str):
            line, column = outline.find(path, on_key=True) or (0, 0)
            key = lines[line - 1][column - 1 :].lstrip("\"'").replace("\\u006b", "k")
            assert key.startswith(path[-1])
        if (span := outline.span(path)) is not None:
            assert tomllib.loads(f"x = {text[slice(*span)]}") == {"x": value}
        else:
            assert isinstance(value, dict | list) or isinstance(path[-1], int)


@given(st.one_of(st.text(), st.text(alphabet="[]{}=.,#\"'\\\n ab1")))
def test_any_text_has_an_outline(text: str) -> None:
    offset = Outline(text).find_statement(len(text))
    assert 0 <= offset <= len(text)
    assert locate_offset(text, offset) >= (1, 1)
