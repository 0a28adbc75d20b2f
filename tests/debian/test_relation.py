"""Reading stanzas and their fields of dependencies."""

from __future__ import annotations

import pytest
from debian.deb822 import PkgRelation
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.control import parse_stanza, split_stanzas
from imagefab.debian.relation import (
    Relation,
    describe_alternatives,
    parse_dependencies,
    parse_relation,
    parse_relations,
)


def test_a_field_is_groups_of_alternatives() -> None:
    field = "libc6 (>= 2.36), awk | mawk (<< 2)|gawk:any ,perl:any (>=5.40),"
    assert [describe_alternatives(group) for group in parse_dependencies(field)] == [
        "libc6 (>= 2.36)",
        "awk | mawk (<< 2) | gawk:any",
        "perl:any (>= 5.40)",
    ]


def test_old_operators_mean_or_equal() -> None:
    assert parse_relation("a (< 1)").operator == "<="
    assert parse_relation("a (> 1)").operator == ">="


def test_only_a_versioned_name_satisfies_a_versioned_relation() -> None:
    assert not parse_relation("a (>= 1)").admits(None)
    assert parse_relation("a").admits(None)


@pytest.mark.parametrize("text", ["", "a b", "a (= )", "a (~ 1)", "a (>= 1", "(>= 1)", "a:b:c", "-a", "a (>= x:1)"])
def test_bad_relations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_relation(text)


def test_continuation_lines() -> None:
    assert parse_relations("a,\n b (= 1)") == (Relation("a"), Relation("b", None, "=", "1"))


def test_stanzas() -> None:
    first, second = split_stanzas("A: 1\nB:\n two\n  three\n\n\nC: x\n")
    assert parse_stanza(first) == {"A": "1", "B": "\ntwo\n three"}
    assert parse_stanza(second) == {"C": "x"}


@pytest.mark.parametrize("text", [" begins: folded", "no colon", "A: 1\nA: 2", "-A: 1"])
def test_bad_stanzas_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="control data"):
        parse_stanza(text)


NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,5}(:(any|amd64))?", fullmatch=True)
BOUNDS = st.sampled_from(["", " (>= 1:2.3-4~bpo1)", " (<< 2)", " (= 1.0+b1)", " (<= 7)", " (>> 0~)"])
GROUPS = st.lists(st.tuples(NAMES, BOUNDS).map("".join), min_size=1, max_size=3).map(" | ".join)


@given(st.lists(GROUPS, min_size=1, max_size=4).map(", ".join))
def test_fields_are_read_as_others_read_them(field: str) -> None:
    """As python-debian does, which many of Debian's own tools use."""
    theirs = [
        [(one["name"], one["archqual"], one["version"]) for one in group]
        for group in PkgRelation.parse_relations(field)
    ]
    ours = [
        [(one.name, one.architecture, (one.operator, one.version) if one.operator else None) for one in group]
        for group in parse_dependencies(field)
    ]
    assert ours == theirs
