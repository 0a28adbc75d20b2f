"""Which packages satisfy or exclude others, across architectures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagefab.debian.package import Package
from imagefab.debian.relation import parse_relation
from imagefab.debian.universe import Universe

MakeUniverse = Callable[..., Universe]


def one(universe: Universe, name: str, architecture: str = "amd64") -> Package:
    return universe.versions(name, architecture)[0]


@pytest.mark.parametrize(
    ("package", "relation", "asking", "expected"),
    [
        ("a 1 amd64", "a", "amd64", True),
        ("a 1 amd64", "a", "arm64", False),
        ("a 1 all", "a", "amd64", True),
        ("a 1 all", "a", "arm64", False),
        ("a 1 all; Multi-Arch: foreign", "a", "arm64", True),
        ("a 1 amd64; Multi-Arch: foreign", "a", "arm64", True),
        ("a 1 amd64; Multi-Arch: same", "a", "arm64", False),
        ("a 1 amd64; Multi-Arch: allowed", "a", "arm64", False),
        ("a 1 amd64; Multi-Arch: allowed", "a:any", "arm64", True),
        ("a 1 amd64; Multi-Arch: foreign", "a:any", "amd64", False),
        ("a 1 amd64", "a:any", "amd64", False),
        ("a 1 amd64", "a:amd64", "arm64", True),
        ("a 1 amd64; Multi-Arch: foreign", "a:arm64", "arm64", False),
        ("a 1 amd64", "a:native", "arm64", True),
        ("a 1 arm64", "a:native", "arm64", False),
        ("a 2 amd64", "a (>= 2)", "amd64", True),
        ("a 2 amd64", "a (<< 2)", "amd64", False),
        ("b 1 amd64; Provides: a", "a", "amd64", True),
        ("b 1 amd64; Provides: a", "a (>= 1)", "amd64", False),
        ("b 1 amd64; Provides: a (= 3)", "a (>= 2)", "amd64", True),
        ("b 9 amd64; Provides: a (= 1)", "a (>= 2)", "amd64", False),
        ("b 1 amd64; Provides: a", "a", "arm64", False),
        ("b 1 amd64; Provides: a; Multi-Arch: foreign", "a", "arm64", True),
        ("b 1 amd64; Provides: a; Multi-Arch: allowed", "a:any", "arm64", True),
        ("b 1 amd64; Provides: a:arm64", "a", "arm64", True),
        ("b 1 amd64; Provides: a:arm64", "a", "amd64", False),
        ("b 1 amd64; Provides: a:any", "a:any", "arm64", True),
    ],
)
def test_satisfaction(make_universe: MakeUniverse, package: str, relation: str, asking: str, expected: bool) -> None:
    universe = make_universe(package, foreign=["arm64"])
    name = package.split(maxsplit=1)[0]
    (found,) = universe.packages(name)
    assert universe.satisfies(found, parse_relation(relation), asking) is expected
    assert (found in universe.candidates(parse_relation(relation), asking)) is expected


@pytest.mark.parametrize(
    ("owner", "other", "expected"),
    [
        ("a 1 amd64; Conflicts: b", "b 1 amd64", True),
        ("a 1 amd64; Conflicts: b", "b 1 arm64", True),
        ("a 1 amd64; Breaks: b (<< 2)", "b 1 amd64", True),
        ("a 1 amd64; Breaks: b (<< 2)", "b 2 amd64", False),
        ("a 1 amd64; Conflicts: b:arm64", "b 1 amd64", False),
        ("a 1 amd64; Conflicts: b:arm64", "b 1 arm64", True),
        ("a 1 amd64; Conflicts: v", "b 1 amd64; Provides: v", True),
        ("a 1 amd64; Conflicts: v (<< 2)", "b 1 amd64; Provides: v", False),
        ("a 1 amd64; Conflicts: v (<< 2)", "b 1 amd64; Provides: v (= 1)", True),
        ("a 1 amd64; Conflicts: v; Provides: v", "b 1 amd64; Provides: v", True),
    ],
)
def test_conflicts(make_universe: MakeUniverse, owner: str, other: str, expected: bool) -> None:
    universe = make_universe(owner, other, foreign=["arm64"])
    (a,), (b,) = universe.packages("a"), universe.packages("b")
    assert any(universe.forbids(a, relation, b) for relation in a.conflicts) is expected


def test_a_package_does_not_conflict_with_itself(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 amd64; Conflicts: a, v; Provides: v")
    a = one(universe, "a")
    assert not any(universe.forbids(a, relation, a) for relation in a.conflicts)


@pytest.mark.parametrize(
    ("kinds", "versions", "expected"),
    [
        (("same", "same"), ("1", "1"), False),
        (("same", "same"), ("1", "2"), True),
        (("foreign", "foreign"), ("1", "1"), True),
        (("same", "no"), ("1", "1"), True),
    ],
)
def test_siblings(
    make_universe: MakeUniverse, kinds: tuple[str, str], versions: tuple[str, str], expected: bool
) -> None:
    lines = [
        f"a {version} {architecture}; Multi-Arch: {kind}"
        for architecture, version, kind in zip(("amd64", "arm64"), versions, kinds, strict=True)
    ]
    universe = make_universe(*lines, foreign=["arm64"])
    assert universe.excludes(one(universe, "a"), one(universe, "a", "arm64")) is expected


def test_versions_come_newest_first_and_once(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 all", "a 10 all", "a 9 all", foreign=["arm64"])
    assert [package.version for package in universe.versions("a", "amd64")] == ["10", "9", "1"]


def test_foreign_packages_for_all_count_as_native(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 all", foreign=["arm64"])
    assert universe.versions("a", "arm64") == ()


def test_a_restricted_universe_has_fewer_architectures(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 amd64", "a 1 arm64", foreign=["arm64"])
    assert len(universe.packages("a")) == 2
    assert len(universe.restrict(()).packages("a")) == 1


def test_essential_packages_are_native(make_universe: MakeUniverse) -> None:
    universe = make_universe(
        "b 1 amd64; Essential: yes", "a 1 all; Essential: yes", "c 1 arm64; Essential: yes", foreign=["arm64"]
    )
    assert sorted(universe.essential_packages()) == ["a", "b"]


def test_a_package_that_is_essential_no_more(make_universe: MakeUniverse) -> None:
    assert make_universe("a 1 amd64; Essential: yes", "a 2 amd64").essential_packages() == ()
