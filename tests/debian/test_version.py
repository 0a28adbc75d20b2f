"""Debian's order of versions: known cases, and that it is a total order."""

from __future__ import annotations

import pytest
from debian.debian_support import NativeVersion
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.version import satisfies, version_key

ASCENDING = [
    *("1.0~~", "1.0~", "1.0~rc1-1", "1.0~rc1+b1", "1.0", "1.0-0+deb13u1", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1"),
    *("1.0a", "1.0a.1", "1.0+dfsg", "1.0.1", "1.9", "1.10", "1.10-1.1", "2:0.1", "10:0.1"),
]
VERSIONS = st.from_regex(r"([0-9]:)?[0-9][0-9a-zA-Z.+~]{0,8}(-[0-9a-zA-Z.+~]{1,4})?", fullmatch=True)


def test_known_order() -> None:
    assert sorted(ASCENDING, key=version_key) == ASCENDING
    assert len({version_key(version) for version in ASCENDING}) == len(ASCENDING)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.00"), ("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.", "1.0")])
def test_different_spellings_are_equal(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_it_is_a_total_order(a: str, b: str, c: str) -> None:
    x, y, z = version_key(a), version_key(b), version_key(c)
    assert (x < y) + (x == y) + (x > y) == 1
    if x <= y <= z:
        assert x <= z


@given(VERSIONS)
def test_tilde_sorts_before_the_end(version: str) -> None:
    assert version_key(version + "~") < version_key(version)


@pytest.mark.parametrize(
    ("operator", "wanted", "expected"),
    [("<<", "2", True), ("<=", "1.5", True), ("=", "1.5", True), (">=", "1.6", False), (">>", "1.5", False)],
)
def test_operators(operator: str, wanted: str, expected: bool) -> None:
    assert satisfies("1.5", operator, wanted) is expected


def test_an_epoch_is_a_number() -> None:
    with pytest.raises(ValueError, match="not a version"):
        version_key("a:1")


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_others(one: str, other: str) -> None:
    """python-debian's, which many of Debian's own tools use."""
    theirs, others = NativeVersion(one), NativeVersion(other)
    assert (version_key(one) < version_key(other)) == (theirs < others)
    assert (version_key(one) == version_key(other)) == (theirs == others)
