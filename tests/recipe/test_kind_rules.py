"""Recipes that a kind of toolchain refuses, and the positions of the errors."""

from __future__ import annotations

from typing import Any

import pytest
from tests.recipe.conftest import ROOT_BASE

from imagefab.errors import SeveralErrors
from imagefab.recipe.loader import load_recipes
from imagefab.toolchains.design import RULES

TEXT = """\
description = "what it is for"
target = "{target}"
kind = "{kind}"
base = "root"
"""


def refuse(
    write_project: Any, target: str, kind: str, *lines: str, suite: str = "trixie"
) -> list[tuple[int, int, str, str]]:
    """Line, column, problem and hint of all that is wrong with a recipe; nothing where it is good."""
    text = TEXT.format(target=target, kind=kind) + "".join(f"{line}\n" for line in lines)
    base = ROOT_BASE.replace("trixie", suite)
    project = write_project({"recipes/good.toml": text, "recipes/bases/root.toml": base})
    try:
        load_recipes(project, RULES, ["good"])
    except SeveralErrors as caught:
        return [
            (error.position.line or 0, error.position.column or 0, error.problem, error.hint or "")
            for error in caught.errors
            if error.position
        ]
    return []


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("llvm", "aarch64-unknown-linux-gnu"),
        ("osxcross", "aarch64-apple-darwin"),
        ("android", "aarch64-linux-android"),
        ("msvc", "x86_64-pc-windows-msvc"),
    ],
)
def test_llvm_is_no_older_than_its_wrappers_ask_for(kind: str, target: str, write_project: Any) -> None:
    ((line, column, problem, hint),) = refuse(write_project, target, kind, "[options]", 'version = "15"')
    assert (line, column, problem) == (6, 11, "`15` is not a value for `version`")
    assert "16 or later" in hint
    for version in ("16", "19", "20", "21"):
        assert not refuse(write_project, target, kind, "[options]", f'version = "{version}"')


ZIG = "zig"
GNU = "x86_64-unknown-linux-gnu"


@pytest.mark.parametrize(
    ("target", "glibc", "problem", "hint"),
    [
        (GNU, "2.45", f"Zig has no glibc 2.45 for `{GNU}`", "the newest that it has is 2.44"),
        (GNU, "2.2", f"Zig has no glibc 2.2 for `{GNU}`", "the oldest that it has is 2.3"),
        ("arm-unknown-linux-gnueabi", "2.3", "Zig has no glibc 2.3 for `arm-unknown-linux-gnueabi`", "is 2.4"),
        ("riscv64gc-unknown-linux-gnu", "2.17", "Zig has no glibc 2.17 for `riscv64gc-unknown-linux-gnu`", "is 2.27"),
        ("loongarch64-unknown-linux-gnu", "2.35", "Zig has no glibc 2.35 for `loongarch64-unknown-linux-gnu`", "2.36"),
        ("aarch64-unknown-linux-musl", "2.17", "musl has no glibc version", "leave it out"),
        ("x86_64-unknown-freebsd", "2.17", "programs for `x86_64-unknown-freebsd` do not use glibc", "leave it out"),
        ("x86_64-pc-windows-gnullvm", "2.17", "programs for `x86_64-pc-windows-gnullvm` do not use glibc", "leave it"),
    ],
)
def test_glibc_versions_of_zig(target: str, glibc: str, problem: str, hint: str, write_project: Any) -> None:
    ((line, column, said, told),) = refuse(write_project, target, ZIG, "[options]", f'glibc = "{glibc}"')
    assert (line, column, said) == (6, 9, problem)
    assert hint in told


@pytest.mark.parametrize(
    ("target", "glibc"),
    [(GNU, "2.3"), (GNU, "2.44"), ("riscv64gc-unknown-linux-gnu", "2.27"), ("powerpc64le-unknown-linux-gnu", "2.19")],
)
def test_from_the_first_to_the_newest(target: str, glibc: str, write_project: Any) -> None:
    assert not refuse(write_project, target, ZIG, "[options]", f'glibc = "{glibc}"')


@pytest.mark.parametrize(("version", "good"), [("0.16.0", False), ("0.17.1", False), ("0.18.0", True), ("1.0", True)])
def test_glibc_versions_of_later_zigs_are_not_checked(version: str, good: bool, write_project: Any) -> None:
    found = refuse(write_project, GNU, ZIG, "[options]", f'version = "{version}"', 'glibc = "2.45"')
    assert good is not bool(found)


def test_options_that_nothing_uses(write_project: Any) -> None:
    for preset in ((), ("preset = true",)):
        ((line, column, problem, hint),) = refuse(write_project, GNU, ZIG, "[options]", 'zigbuild = "0.24.0"', *preset)
        assert (line, column) == (6, 12)
        assert "no cargo-zigbuild" in problem
        assert "`preset = false`" in hint
    assert not refuse(write_project, GNU, ZIG, "[options]", 'zigbuild = "0.24.0"', "preset = false")


def test_all_errors_are_reported_at_once(write_project: Any) -> None:
    lines = ("[options]", 'glibc = "2.17"', 'zigbuild = "0.24.0"', 'version = "new"')
    assert len(refuse(write_project, "x86_64-unknown-linux-musl", ZIG, *lines)) == 3


@pytest.mark.parametrize(
    ("kind", "target", "good"),
    [
        ("zig", "aarch64-pc-windows-gnullvm", False),
        ("msvc", "aarch64-pc-windows-msvc", False),
        ("zig", "x86_64-pc-windows-gnullvm", True),
        ("msvc", "i686-pc-windows-msvc", True),
    ],
)
def test_wine_runs_no_programs_for_arm(kind: str, target: str, good: bool, write_project: Any) -> None:
    found = refuse(write_project, target, kind, 'runner = "wine"')
    told = "the runners are `auto`, `none`"
    assert found == ([] if good else [(5, 10, "unknown runner `wine`", told)])
    assert not refuse(write_project, target, kind, 'runner = "none"')


@pytest.mark.parametrize(
    ("kind", "target", "lines", "good"),
    [
        ("gcc", "aarch64-unknown-linux-gnu", (), True),
        ("gcc", "aarch64-unknown-linux-gnu", ('runner = "none"',), False),
        ("gcc", GNU, (), True),
        ("gcc", GNU, ('platforms = ["linux/amd64"]',), False),
        ("gcc", GNU, ('platforms = ["linux/amd64"]', 'runner = "qemu-user"'), True),
        ("gcc", GNU, ('platforms = ["linux/arm64"]',), True),
        ("baremetal", "riscv64gc-unknown-none-elf", (), False),
        ("zig", "x86_64-unknown-freebsd", (), False),
        ("mingw", "x86_64-pc-windows-gnu", (), False),
    ],
)
def test_a_suite_that_has_no_emulator(
    kind: str, target: str, lines: tuple[str, ...], good: bool, write_project: Any
) -> None:
    found = refuse(write_project, target, kind, 'qemu-suite = "trixie-backports"', *lines)
    assert [entry[:3] for entry in found] == (
        [] if good else [(5, 14, "no image of this recipe has QEMU's user mode emulator")]
    )


@pytest.mark.parametrize(
    ("target", "suite", "good"),
    [
        ("thumbv7m-none-eabi", "bullseye", False),
        ("riscv64gc-unknown-none-elf", "bullseye", False),
        ("aarch64-unknown-none", "bullseye", True),
        ("x86_64-unknown-none", "bullseye", True),
        ("thumbv7m-none-eabi", "bookworm", True),
        ("riscv64gc-unknown-none-elf", "trixie", True),
    ],
)
def test_a_picolibc_that_is_too_old(target: str, suite: str, good: bool, write_project: Any) -> None:
    found = refuse(write_project, target, "baremetal", suite=suite)
    said = f"kind `baremetal` has no images for `{target}` on `root`"
    reason = "picolibc of bullseye cannot begin programs through semihosting; later suites' can"
    assert found == ([] if good else [(4, 8, said, reason)])
