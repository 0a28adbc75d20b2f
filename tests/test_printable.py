"""Strangers' texts: no terminal and no CI service acts on them, and what is ordinary stays as it is."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.printable import make_line, make_printable, make_printable_json

ACTING = re.compile(r"^\s*::|##\w*\[|section_(start|end):", re.MULTILINE)


@pytest.mark.parametrize(
    "text", ["", "plain\n\ttabbed\n", "é → «quoted» 日本", "a::b", "x ::y", "#[derive]", "## title"]
)
def test_what_is_ordinary_stays(text: str) -> None:
    assert make_printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31;1mred\x1b[0m\x1b[K", "red"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
        ("\x9b2J", r"\x9b2J"),
        ("10%\r20%\r\n", "10%\n20%\n"),
        ("a\bb\x7f\0", r"a\x08b\x7f\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("\udcff", r"\udcff"),
        ("::error::x", r"\::error::x"),
        ("a\n  \t::set-env name=PATH::x", "a\n  \t\\::set-env name=PATH::x"),
        ("\x1b[0m::add-mask::x", r"\::add-mask::x"),
        ("\r::add-mask::x", "\n\\::add-mask::x"),
        ("a ##[add-path]/evil", r"a #\#[add-path]/evil"),
        ("#\x1b[m#[add-path]/evil", r"#\#[add-path]/evil"),
        ("##vso[task.setvariable variable=x]", r"#\#vso[task.setvariable variable=x]"),
        ("section_start:1:x\r\x1b[0K", "section\\_start:1:x\n"),
    ],
)
def test_what_acts_is_spelt_out(text: str, shown: str) -> None:
    assert make_printable(text) == shown
    assert make_printable(shown) == shown


def test_a_line_is_one_line() -> None:
    assert make_line("a\nb\rc\x0bd") == r"a\nb\nc\x0bd"


@given(st.text() | st.text("\x1b[]#:m0\r\n\t section_start"))
def test_nothing_acts(text: str) -> None:
    shown = make_printable(text)
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    assert not ACTING.search(shown)


@given(st.text() | st.text("#[vso\x9b\u202eé"))
def test_json_says_the_same(text: str) -> None:
    for plain in (json.dumps([text]), json.dumps([text], ensure_ascii=False)):
        shown = make_printable_json(plain)
        assert json.loads(shown) == [text]
        assert not ACTING.search(shown)
        assert all(character.isprintable() or character in "\n\t" for character in shown)
