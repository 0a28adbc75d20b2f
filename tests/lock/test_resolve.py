"""Choosing packages: the same as apt's choices, layer by layer, with pins; and the reasons for failures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagefab.debian.universe import Universe
from imagefab.errors import PackageError, RecipeError, SeveralErrors
from imagefab.lock.model import LayerLock
from imagefab.lock.resolve import resolve
from imagefab.platforms import AMD64
from imagefab.toolchains.blueprint import Blueprint, ExtractSpec, LayerSpec

MakeUniverse = Callable[..., Universe]


def layer(*packages: str, architectures: Sequence[str] = (), extracts: Sequence[str] = ()) -> LayerSpec:
    return LayerSpec(
        name="layer",
        comment="",
        packages=packages,
        architectures=tuple(architectures),
        extracts=tuple(ExtractSpec(package=name, member="/a", path="/b") for name in extracts),
    )


def lock(
    universe: Universe, *layers: LayerSpec, pins: Mapping[tuple[str, str], str] | None = None
) -> tuple[LayerLock, ...]:
    blueprint = Blueprint(
        recipe="r", target="t", platform=AMD64, archives=(), layers=layers or (layer("a"),), env=(), labels=()
    )
    return resolve(blueprint, universe, pins)


def chosen(locked: LayerLock) -> str:
    return " ".join(f"{p.name}={p.version}" + ("" if p.architecture == "amd64" else f":{p.architecture}")
                    for p in locked.packages)  # fmt: skip


def choose(universe: Universe, *names: str, **pins: str) -> str:
    return chosen(lock(universe, layer(*names), pins={(name, "amd64"): version for name, version in pins.items()})[0])


def failure(universe: Universe, *layers: LayerSpec) -> str:
    with pytest.raises(RecipeError) as caught:
        lock(universe, *layers)
    return str(caught.value) + (f"\nhint: {caught.value.hint}" if caught.value.hint else "")


@pytest.mark.parametrize(
    ("lines", "names", "expected"),
    [
        pytest.param(["a 1 amd64; Depends: b", "b 1 amd64; Pre-Depends: c", "c 1 all"], "a", "a=1 b=1 c=1:all"),
        pytest.param(["a 1 amd64", "a 2 amd64"], "a", "a=2", id="newest"),
        pytest.param(["a 1 amd64; Depends: b (<< 2)", "b 1 amd64", "b 2 amd64"], "a", "a=1 b=1", id="older-version"),
        pytest.param(["a 1 amd64; Depends: b | c", "b 1 amd64", "c 1 amd64"], "a", "a=1 b=1", id="first-alternative"),
        pytest.param(["a 1 amd64; Depends: b | c", "c 1 amd64"], "a", "a=1 c=1", id="second-alternative"),
        pytest.param(
            ["a 1 amd64; Depends: b | c", "b 1 amd64; Depends: x", "c 1 amd64"], "a", "a=1 c=1", id="first-impossible"
        ),
        pytest.param(
            ["a 1 amd64; Depends: b | c", "b 1 amd64", "c 1 amd64"], "a c", "a=1 c=1", id="request-satisfies"
        ),
        pytest.param(
            # apt decides as it goes: what is needed later does not undo an earlier choice that stands.
            ["a 1 amd64; Depends: b | c, d", "b 1 amd64", "c 1 amd64", "d 1 amd64; Depends: c"],
            "a",
            "a=1 b=1 c=1 d=1",
            id="depth-first",
        ),
        pytest.param(["a 1 amd64; Depends: v", "p 1 amd64; Provides: v"], "a", "a=1 p=1", id="provided"),
        pytest.param(
            ["a 1 amd64; Depends: v", "p 1 amd64; Provides: v", "v 1 amd64"], "a", "a=1 v=1", id="real-before-provided"
        ),
        pytest.param(
            ["a 1 amd64; Depends: v", "p 1 amd64; Provides: v", "q 1 amd64; Provides: v; Priority: required"],
            "a",
            "a=1 q=1",
            id="priority",
        ),
        pytest.param(
            ["a 1 all; Depends: v", "p 1 all; Provides: v; Priority: standard", "q 1 all; Provides: v; Protected: yes"],
            "a",
            "a=1:all q=1:all",
            id="protected",
        ),
        pytest.param(
            ["a 1 amd64; Depends: v (>= 2)", "p 1 amd64; Provides: v (= 1)", "q 1 amd64; Provides: v (= 2)"],
            "a",
            "a=1 q=1",
            id="versioned-provides",
        ),
        pytest.param(
            ["a 1 amd64; Depends: b | c; Conflicts: b", "b 1 amd64", "c 1 amd64"], "a", "a=1 c=1", id="own-conflict"
        ),
        pytest.param(
            ["a 1 amd64; Depends: b | c", "z 1 amd64; Breaks: b (<< 2)", "b 1 amd64", "c 1 amd64"],
            "a z",
            "a=1 c=1 z=1",
            id="breaks",
        ),
        pytest.param(
            ["m 1 amd64; Provides: mta; Conflicts: mta", "a 1 amd64; Depends: mta"], "a", "a=1 m=1", id="self-conflict"
        ),
        pytest.param(
            # Only going back on b's version makes room for c.
            ["a 1 amd64; Depends: b, c", "b 2 amd64", "b 1 amd64", "c 1 amd64; Conflicts: b (>> 1)"],
            "a",
            "a=1 b=1 c=1",
            id="going-back",
        ),
        pytest.param(
            ["a 1 amd64; Depends: b", "b 1 amd64; Depends: a"], "a", "a=1 b=1", id="circle"
        ),
    ],
)  # fmt: skip
def test_choices(make_universe: MakeUniverse, lines: list[str], names: str, expected: str) -> None:
    assert choose(make_universe(*lines), *names.split()) == expected


def test_the_first_layer_has_what_is_essential(make_universe: MakeUniverse) -> None:
    universe = make_universe("e 1 amd64; Essential: yes; Depends: l", "l 1 amd64", "a 1 amd64", "b 1 amd64; Depends: l")
    assert [chosen(one) for one in lock(universe, layer("a"), layer("b"))] == ["a=1 e=1 l=1", "b=1"]


def test_layers_hold_only_what_is_new(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 amd64; Depends: b | c", "b 1 amd64", "c 1 amd64")
    locked = lock(universe, layer("c"), layer("a", "c"), layer())
    assert [chosen(one) for one in locked] == ["c=1", "a=1", ""]


def test_lower_layers_do_not_change(make_universe: MakeUniverse) -> None:
    universe = make_universe("l 2 amd64", "l 1 amd64", "a 1 amd64; Depends: l (<< 2)")
    assert "l:amd64 1 cannot be there beside l:amd64 2, which is there already" in failure(
        universe, layer("l"), layer("a")
    )


def test_foreign_packages(make_universe: MakeUniverse) -> None:
    universe = make_universe(
        "libc 1 amd64; Multi-Arch: same",
        "libc 1 arm64; Multi-Arch: same",
        "make 1 amd64; Multi-Arch: foreign; Depends: libc",
        "make 1 arm64; Multi-Arch: foreign; Depends: libc",
        "dev 1 arm64; Depends: libc, make, perl:any",
        "perl 1 amd64; Multi-Arch: allowed",
        "perl 1 arm64; Multi-Arch: allowed",
        foreign=["arm64"],
    )
    locked = lock(universe, layer("libc"), layer("dev:arm64", architectures=["arm64"]))
    assert chosen(locked[1]) == "dev=1:arm64 libc=1:arm64 make=1 perl=1"


def test_siblings_agree_on_their_version(make_universe: MakeUniverse) -> None:
    universe = make_universe(
        "l 2 amd64; Multi-Arch: same", "l 1 amd64; Multi-Arch: same", "l 1 arm64; Multi-Arch: same", foreign=["arm64"]
    )
    assert chosen(lock(universe, layer("l:arm64", "l", architectures=["arm64"]))[0]) == "l=1 l=1:arm64"
    told = failure(universe, layer("l"), layer("l:arm64", architectures=["arm64"]))
    assert "l:arm64 1 must have the same version as l:amd64 2, which is there already" in told


def test_siblings_of_installed_packages_come_first(make_universe: MakeUniverse) -> None:
    universe = make_universe(
        "p 1 amd64; Multi-Arch: same; Provides: v; Priority: optional",
        "p 1 arm64; Multi-Arch: same; Provides: v; Priority: optional",
        "q 1 arm64; Provides: v; Priority: required",
        "a 1 arm64; Depends: v",
        foreign=["arm64"],
    )
    assert chosen(lock(universe, layer("p"), layer("a:arm64", architectures=["arm64"]))[1]) == "a=1:arm64 p=1:arm64"


def test_extracts_are_pinned_but_not_installed(make_universe: MakeUniverse) -> None:
    universe = make_universe("a 1 amd64", "q 2 amd64; Depends: missing", "q 1 amd64")
    (locked,) = lock(universe, layer("a", extracts=["q", "q"]))
    assert chosen(locked) == "a=1"
    assert [(pin.name, pin.version) for pin in locked.extracts] == [("q", "2")]


class TestPins:
    def test_a_pinned_version_stays(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 2 amd64; Depends: b", "a 1 amd64; Depends: b", "b 2 amd64", "b 1 amd64")
        assert choose(universe, "a", b="1") == "a=2 b=1"
        assert choose(universe, "a", a="1", b="1") == "a=1 b=1"

    def test_a_pin_that_is_gone_is_no_pin(self, make_universe: MakeUniverse) -> None:
        assert choose(make_universe("a 2 amd64"), "a", a="1") == "a=2"

    def test_only_the_pins_in_the_way_move(self, make_universe: MakeUniverse) -> None:
        universe = make_universe(
            *(f"{name} {version} amd64" for name in "lkx" for version in (1, 2)), "new 1 amd64; Depends: l (>= 2)"
        )
        pins = {(name, "amd64"): "1" for name in "lkx"}
        locked = lock(universe, layer("l", "k", "x"), layer("new"), pins=pins)
        assert [chosen(one) for one in locked] == ["k=1 l=2 x=1", "new=1"]

    def test_pins_in_the_same_layer_give_way(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("l 1 amd64", "l 2 amd64", "new 1 amd64; Depends: l (>= 2)")
        assert choose(universe, "l", "new", l="1") == "l=2 new=1"


class TestFailures:
    def test_the_chain_of_dependencies_is_reported(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 1 amd64; Depends: b", "b 1 amd64; Depends: c (>= 2) | d", "c 1 amd64")
        assert failure(universe) == (
            "r, layer layer, linux/amd64: no packages will do:\n"
            "  a is asked for\n"
            "    a:amd64 1 depends on b\n"
            "      b:amd64 1 depends on c (>= 2) | d, but there is only c:amd64 1"
        )

    def test_conflicts_are_reported(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 1 amd64; Depends: b, c", "b 1 amd64; Conflicts: c", "c 1 amd64")
        told = failure(universe)
        assert "a:amd64 1 depends on b" in told and "a:amd64 1 depends on c" in told
        assert "c:amd64 1 conflicts with b:amd64 1, which a:amd64 1 needs" in told

    def test_another_architecture_is_a_hint(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 1 arm64; Depends: data", "data 1 all", foreign=["arm64"])
        told = failure(universe, layer("a:arm64", architectures=["arm64"]))
        assert told.endswith("depends on data, but there is only data 1, for amd64 and not arm64")

    def test_an_unknown_name(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("cmake 1 amd64", "ninja-build 1 amd64")
        assert "there is no package cmaek" in failure(universe, layer("cmaek"))
        with pytest.raises(PackageError) as caught:
            lock(universe, layer("cmaek"))
        assert caught.value.package == "cmaek"
        assert "hint: did you mean `cmake`?" in failure(universe, layer("cmaek"))
        assert "hint" not in failure(universe, layer("something-else"))

    def test_several_unknown_names_are_reported_together(self, make_universe: MakeUniverse) -> None:
        with pytest.raises(SeveralErrors) as caught:
            lock(make_universe("cmake 1 amd64"), layer("cmaek", "cmake", "ninja"))
        assert [getattr(error, "package", None) for error in caught.value.errors] == ["cmaek", "ninja"]

    def test_a_virtual_name(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("mawk 1 amd64; Provides: awk")
        assert "it is a virtual package: ask for `mawk`" in failure(universe, layer("awk"))

    def test_a_name_of_another_architecture(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 1 amd64", "l 1 amd64", foreign=["arm64"])
        assert "hint: there is l:amd64 1" in failure(universe, layer("l:arm64", architectures=["arm64"]))
        assert "adds the architecture arm64" in failure(universe, layer("l:arm64"))

    def test_architectures_that_several_layers_add_are_named_once(self, make_universe: MakeUniverse) -> None:
        universe = make_universe("a 1 arm64", foreign=["arm64", "riscv64"])
        lower = layer("a:arm64", architectures=["arm64"])
        told = failure(universe, lower, layer("l:riscv64", architectures=["arm64"]))
        assert told.endswith("hint: they have amd64, arm64")

    def test_the_error_is_about_the_recipe(self, make_universe: MakeUniverse) -> None:
        with pytest.raises(RecipeError) as caught:
            lock(make_universe("a 1 amd64; Depends: b"))
        assert caught.value.exit_code == 3


@pytest.mark.timeout(60)
class TestTraps:
    """Requests on which a search without memory takes longer than anyone lives."""

    def test_a_deep_tree_of_alternatives_that_all_fail(self, make_universe: MakeUniverse) -> None:
        depth = 60
        lines = ["a 1 amd64; Depends: l0 | r0"]
        for level in range(depth):
            lines += [f"{side}{level} 1 amd64; Depends: l{level + 1} | r{level + 1}" for side in "lr"]
        lines += [f"{side}{depth} 1 amd64; Depends: missing" for side in "lr"]
        assert "and so on" in failure(make_universe(*lines))

    def test_many_choices_before_the_one_that_matters(self, make_universe: MakeUniverse) -> None:
        choices = 40
        lines = [
            "a 1 amd64; Depends: bad | good, " + ", ".join(f"l{n} | r{n}" for n in range(choices)) + ", end",
            *(f"{side}{n} 1 amd64" for side in "lr" for n in range(choices)),
            *("bad 1 amd64", "good 1 amd64", "end 1 amd64; Conflicts: bad"),
        ]
        assert "good=1" in choose(make_universe(*lines), "a")

    def test_pigeonholes(self, make_universe: MakeUniverse) -> None:
        holes = 6
        lines = [f"p{n} 1 amd64; Depends: " + " | ".join(f"h{n}x{h}" for h in range(holes)) for n in range(holes + 1)]
        lines += [
            f"h{n}x{h} 1 amd64; Provides: hole{h}; Conflicts: hole{h}" for n in range(holes + 1) for h in range(holes)
        ]
        failure(make_universe(*lines), layer(*(f"p{n}" for n in range(holes + 1))))

    def test_a_long_chain(self, make_universe: MakeUniverse) -> None:
        length = 3000
        lines = [f"p{n} 1 amd64; Depends: p{n + 1}" for n in range(length)]
        assert len(lock(make_universe(*lines, f"p{length} 1 amd64"), layer("p0"))[0].packages) == length + 1
        assert "p0 is asked for" in failure(make_universe(*lines), layer("p0"))


NAMES = "abcde"


@st.composite
def small_archives(draw: st.DrawFn) -> list[str]:
    lines = []
    for name in NAMES:
        for version in range(1, draw(st.integers(1, 2)) + 1):
            relation = st.builds(
                lambda n, op: n + op,
                st.sampled_from(NAMES + "v"),
                st.sampled_from(["", " (= 1)", " (>> 1)", " (<< 2)"]),
            )
            groups = draw(st.lists(st.lists(relation, min_size=1, max_size=2).map(" | ".join), max_size=2))
            conflicts = draw(st.lists(relation, max_size=1))
            provides = draw(st.sampled_from(["", "v", "v (= 1)"]))
            fields = {"Depends": ", ".join(groups), "Conflicts": ", ".join(conflicts), "Provides": provides}
            lines.append(
                f"{name} {version} amd64" + "".join(f"; {key}: {text}" for key, text in fields.items() if text)
            )
    return lines


@settings(max_examples=50)
@given(lines=small_archives())
def test_a_solution_is_found_exactly_when_there_is_one(make_universe: MakeUniverse, lines: list[str]) -> None:
    universe = make_universe(*lines)
    everything = [package for name in NAMES for package in universe.packages(name)]
    possible = any(
        _holds(universe, selection)
        for size in range(1, len(NAMES) + 1)
        for selection in itertools.combinations(everything, size)
        if any(package.name == "a" for package in selection)
    )
    try:
        (locked,) = lock(universe, layer("a"))
    except RecipeError:
        assert not possible
        return
    pins = {(pin.name, pin.version) for pin in locked.packages}
    assert possible
    assert _holds(universe, [package for package in everything if (package.name, package.version) in pins])


def _holds(universe: Universe, selection: Sequence[object]) -> bool:
    from imagefab.debian.package import Package

    packages = [package for package in selection if isinstance(package, Package)]
    return (
        len({package.name for package in packages}) == len(packages)
        and all(
            any(universe.satisfies(other, relation, "amd64") for relation in group for other in packages)
            for package in packages
            for group in package.dependencies
        )
        and not any(
            universe.forbids(package, relation, other)
            for package in packages
            for relation in package.conflicts
            for other in packages
        )
    )
