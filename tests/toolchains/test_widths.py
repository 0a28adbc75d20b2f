"""What images say of the width of time on 32-bit Linux, so that C, libclang and Rust agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sample_recipe import make_recipe

from imagefab.check.product import pointer_bits
from imagefab.recipe.model import Archive, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.widths import list_width_defines, list_width_variables

WIDE = ("-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64")


def make(triple: str, kind: str, suite: str = "trixie") -> Recipe:
    archives = (Archive(name=suite, archive="debian", suite=suite),)
    recipe = replace(make_recipe(target=TARGETS[triple], kind=kind))
    base = replace(recipe.bases[0], archives=archives)
    return replace(recipe, bases=(base, *recipe.bases[1:]))


@pytest.mark.parametrize("kind", ["gcc", "llvm"])
@pytest.mark.parametrize(
    "triple", ["armv7-unknown-linux-gnueabihf", "mips-unknown-linux-gnu", "powerpc-unknown-linux-gnu"]
)
def test_what_debians_gcc_takes_by_itself_is_said_to_clang_and_rust(kind: str, triple: str) -> None:
    recipe = make(triple, kind)
    assert list_width_defines(recipe) == WIDE
    assert dict(list_width_variables(recipe)) == {
        "RUST_LIBC_UNSTABLE_GNU_TIME_BITS": "64",
        "CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS": "64",
    }


@pytest.mark.parametrize(
    ("triple", "kind", "suite"),
    [
        ("i686-unknown-linux-gnu", "gcc", "trixie"),
        ("armv7-unknown-linux-gnueabihf", "gcc", "bookworm"),
        ("armv7-unknown-linux-gnueabihf", "gcc", "bullseye"),
        ("armv7-unknown-linux-gnueabihf", "zig", "trixie"),
        ("mipsisa32r6-unknown-linux-gnu", "gcc", "trixie"),
        ("x86_64-unknown-linux-gnux32", "gcc", "trixie"),
        ("aarch64-unknown-linux-gnu", "gcc", "trixie"),
        ("aarch64-unknown-linux-musl", "musl", "trixie"),
        ("thumbv7m-none-eabi", "baremetal", "trixie"),
    ],
)
def test_the_others_agree_unasked(triple: str, kind: str, suite: str) -> None:
    recipe = make(triple, kind, suite)
    assert list_width_defines(recipe) == ()
    assert list_width_variables(recipe) == ()


@pytest.mark.parametrize("kind", ["musl", "zig"])
def test_musl_has_wide_time_everywhere(kind: str) -> None:
    recipe = make("armv7-unknown-linux-musleabihf", kind)
    assert list_width_defines(recipe) == ()
    assert dict(list_width_variables(recipe)) == {
        "RUST_LIBC_UNSTABLE_MUSL_V1_2_3": "1",
        "CARGO_CFG_LIBC_UNSTABLE_MUSL_V1_2": "1",
    }


def test_pointers_are_as_wide_as_those_of_programs() -> None:
    found = {triple: target.bits for triple, target in TARGETS.items()}
    assert found == {triple: pointer_bits(triple) or bits for triple, bits in found.items()}
