"""Kind baremetal: compilers set to their targets, and the libraries that are unpacked for them."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import replace

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS, Target
from imagefab.toolchains.blueprint import Blueprint, LayerSpec
from imagefab.toolchains.design import RULES, design_image
from imagefab.toolchains.runners.system import MACHINES

BARE = [target for target in TARGETS.values() if target.os == "none"]
PLAIN = make_recipe(target=TARGETS["thumbv7m-none-eabi"], kind="baremetal", additions=Additions())


def design(triple: str, platform: HostPlatform = AMD64, **changes: object) -> Blueprint:
    recipe: Recipe = replace(PLAIN, target=TARGETS[triple], **changes)  # type: ignore[arg-type]
    return design_image(recipe, platform)


def find_layer(made: Blueprint, start: str) -> LayerSpec:
    return next(layer for layer in made.layers if layer.name.startswith(start))


def read_files(made: Blueprint) -> dict[str, str]:
    return {file.path: file.content.decode() for layer in made.layers for file in layer.files}


def test_it_accepts_targets_without_a_system() -> None:
    accepted = {triple for triple, target in TARGETS.items() if RULES["baremetal"].accepts(target) is None}
    assert accepted == {target.triple for target in BARE}


def test_compilers_are_called_after_the_target(subtests: pytest.Subtests) -> None:
    for target in BARE:
        with subtests.test(target.triple):
            check_compilers(target)


def check_compilers(target: Target) -> None:
    made = design(target.triple)
    env, files = dict(made.env), read_files(made)
    cc, cxx = ("TARGET_CC", "TARGET_CXX") if "." in target.triple else (
        f"CC_{target.underscored}", f"CXX_{target.underscored}"
    )  # fmt: skip
    for name in (cc, cxx):
        assert env[name].startswith(f"{target.triple}-")
        assert files[f"/usr/local/bin/{env[name]}"].startswith("#!/bin/sh\nexec ")
    if target.qemu:
        assert env[f"CARGO_TARGET_{target.upper}_RUNNER"] == f"/qemu-runner {target.stem}"
        assert target.stem in MACHINES
    assert not any(name.endswith("_LINKER") for name in env), "rustc links by itself"
    assert "-fPIC" not in env["CROSS_CMAKE_OBJECT_FLAGS"]
    cmake = files["/opt/toolchain.cmake"]
    assert "set(CMAKE_SYSTEM_NAME Generic)" in cmake
    assert "set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)" in cmake


def test_host_platforms_differ_in_nothing_but_the_debugger(subtests: pytest.Subtests) -> None:
    for triple in (target.triple for target in BARE):
        with subtests.test(triple):
            assert design(triple, debug=True).env == design(triple, ARM64, debug=True).env
            one, other = (
                [replace(layer, filters=()) for layer in design(triple, platform).layers] for platform in (AMD64, ARM64)
            )
            assert one == other


def test_no_variable_has_a_dot() -> None:
    """No shell would hand it on."""
    env = dict(design("thumbv8m.main-none-eabihf").env)
    assert not [name for name in env if "." in name]
    assert env["TARGET_CC"] == "thumbv8m.main-none-eabihf-gcc"
    assert "picolibc" in env["BINDGEN_EXTRA_CLANG_ARGS"]


@pytest.mark.parametrize(
    ("triple", "flags", "variant"),
    [
        ("thumbv6m-none-eabi", "-march=armv6s-m -mfloat-abi=soft", "thumb/v6-m/nofp"),
        ("thumbv7m-none-eabi", "-march=armv7-m -mfloat-abi=soft", "thumb/v7-m/nofp"),
        ("thumbv7em-none-eabihf", "-march=armv7e-m -mfloat-abi=hard -mfpu=fpv4-sp-d16", "thumb/v7e-m+fp/hard"),
        ("thumbv8m.main-none-eabihf", "-march=armv8-m.main -mfloat-abi=hard", "thumb/v8-m.main+fp/hard"),
        ("riscv32imac-unknown-none-elf", "-march=rv32imac -mabi=ilp32", "rv32imac/ilp32"),
        ("riscv32imafc-unknown-none-elf", "-march=rv32imafc -mabi=ilp32f", "rv32imafc/ilp32f"),
        ("armv7a-none-eabi", "-marm -march=armv7-a -mfloat-abi=soft", "thumb/v7-a/nofp"),
        ("armv7r-none-eabihf", "-march=armv7-r -mfloat-abi=hard -mfpu=vfpv3-d16", "thumb/v7+fp/hard"),
        ("thumbv4t-none-eabi", "-mthumb -march=armv4t -mfloat-abi=soft", "thumb/nofp"),
    ],
)
def test_the_libraries_of_a_target_are_unpacked(triple: str, flags: str, variant: str) -> None:
    made = design(triple)
    (wrapper,) = [text for path, text in read_files(made).items() if path.endswith(f"/{triple}-gcc")]
    assert flags in wrapper
    (rules,) = find_layer(made, "gcc-").files
    gnu = TARGETS[triple].gnu_triplet
    for folder in (f"/usr/lib/gcc/{gnu}/14.2.0", f"/usr/lib/picolibc/{gnu}/lib"):
        assert is_unpacked(rules.content.decode(), f"{folder}/{variant}/libc.a")
        assert is_unpacked(rules.content.decode(), f"{folder}/libc.a")
        assert not is_unpacked(rules.content.decode(), f"{folder}/{variant}-other/libc.a")
    assert is_unpacked(rules.content.decode(), f"/usr/lib/picolibc/{gnu}/include/stdio.h")


def is_unpacked(rules: str, path: str) -> bool:
    """As dpkg reads them: the last that matches counts."""
    matching = [
        kind
        for kind, pattern in re.findall(r"^path-(include|exclude)=(.*)$", rules, re.MULTILINE)
        if fnmatch.fnmatchcase(path, pattern)
    ]
    return not matching or matching[-1] == "include"


def test_programs_are_placed_where_the_machine_has_memory() -> None:
    (wrapper,) = [text for path, text in read_files(design("thumbv7m-none-eabi")).items() if path.endswith("-gcc")]
    memory = MACHINES["thumbv7m"].memory
    assert memory is not None
    assert f"--defsym=__flash={memory.rom:#x}" in wrapper
    assert f"--defsym=__ram={memory.ram:#x}" in wrapper


def test_microcontrollers_share_the_compiler_and_the_emulator() -> None:
    one, other = design("thumbv6m-none-eabi"), design("thumbv8m.main-none-eabihf")
    assert [layer.name for layer in one.layers if layer in other.layers][-2:] == [
        "runner-system-arm",
        "gcc-arm-none-eabi",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("thumbv6m-none-eabi", "armv7a-none-eabi"),
        ("riscv32imac-unknown-none-elf", "riscv32imc-unknown-none-elf"),
        ("riscv64gc-unknown-none-elf", "riscv64imac-unknown-none-elf"),
    ],
)
def test_other_families_have_runners_and_libraries_of_their_own(old: str, new: str) -> None:
    """A machine or a variant that is added changes no image of another family."""
    one, other = design(old), design(new)
    assert not {layer.name for layer in one.layers[1:-1]} & {layer.name for layer in other.layers[1:-1]} - {
        "tools",
        "build-systems",
    }
    runner = read_files(one)["/qemu-runner"]
    assert f"\n{TARGETS[old].stem}) options=" in runner
    assert f"\n{TARGETS[new].stem}) options=" not in runner


def test_without_a_machine_nothing_boots() -> None:
    made = design("loongarch64-unknown-none-softfloat")
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"
    assert "-mabi=lp64s" in read_files(made)["/usr/local/bin/loongarch64-unknown-none-softfloat-clang"]


# -- the debugger -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "kind", "platform", "name"),
    [
        ("thumbv7m-none-eabi", "baremetal", AMD64, "gdb-multiarch"),
        ("aarch64-unknown-linux-gnu", "gcc", AMD64, "gdb-multiarch"),
        ("aarch64-unknown-linux-gnu", "gcc", ARM64, "gdb"),
        # It runs on no system, so not even on this one.
        ("x86_64-unknown-none", "baremetal", AMD64, "gdb-multiarch"),
    ],
)
def test_a_debugger_where_one_is_asked_for(triple: str, kind: str, platform: HostPlatform, name: str) -> None:
    made = design(triple, platform, kind=kind, debug=True)
    assert find_layer(made, "debugger").packages == (name,)
    assert dict(made.env)["CROSS_DEBUGGER"] == name
    without = design(triple, platform, kind=kind)
    assert not [layer for layer in without.layers if layer.name == "debugger"]
    assert "CROSS_DEBUGGER" not in dict(without.env)
    shared = [layer.name for layer in without.layers if layer in made.layers]
    assert shared == [layer.name for layer in without.layers], "all else is the same, and shared"
