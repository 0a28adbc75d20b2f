"""The environment of images: the CMake file and the names of variables."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import design_image
from imagefab.toolchains.environment import CARGO_FILE, CMAKE_FILE, make_cargo_file, variable

GNU = make_recipe(additions=Additions())
MUSL = make_recipe(target=TARGETS["x86_64-unknown-linux-musl"], kind="musl", additions=Additions())


def cmake_file(recipe: Recipe, platform: object = AMD64) -> list[str]:
    layer = design_image(recipe, platform).layers[-1]  # type: ignore[arg-type]
    assert layer.name == "build-systems"
    (given,) = layer.files
    assert given.path == CMAKE_FILE
    return given.content.decode().splitlines()


def test_cmake_is_told_all_of_it() -> None:
    assert cmake_file(GNU)[2:] == [
        "set(CMAKE_SYSTEM_NAME Linux)",
        "set(CMAKE_SYSTEM_PROCESSOR aarch64)",
        "set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)",
        "set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)",
        "set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)",
        "set(CMAKE_CROSSCOMPILING_EMULATOR /linux-runner;aarch64)",
        "# Programs are the image's own; the rest is the target's.",
        "set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)",
    ]
    assert cmake_file(GNU) == cmake_file(GNU, ARM64)


def test_musl_finds_nothing_of_the_hosts() -> None:
    lines = cmake_file(MUSL)
    assert "set(CMAKE_FIND_ROOT_PATH /usr/x86_64-linux-musl)" in lines
    for what in ("INCLUDE", "LIBRARY", "PACKAGE"):
        assert f"set(CMAKE_FIND_ROOT_PATH_MODE_{what} ONLY)" in lines


def test_without_a_runner_nothing_is_tried() -> None:
    assert not any("EMULATOR" in line for line in cmake_file(replace(GNU, runner="none")))


@pytest.mark.parametrize(
    ("triple", "name"),
    [("aarch64-unknown-linux-gnu", "CC_aarch64_unknown_linux_gnu"), ("thumbv8m.base-none-eabi", "TARGET_CC")],
)
def test_variables(triple: str, name: str) -> None:
    assert variable("CC", replace(TARGETS["aarch64-unknown-linux-gnu"], triple=triple)) == name


def test_kernels_with_a_target_of_their_own_find_a_runner() -> None:
    recipe = make_recipe(target=TARGETS["x86_64-unknown-none"], kind="baremetal", additions=Additions())
    files = {file.path: file.content.decode() for file in design_image(recipe, AMD64).layers[-1].files}
    found = tomllib.loads(files[CARGO_FILE])
    assert found == {"target": {'cfg(target_os = "none")': {"runner": "/qemu-runner x86_64"}}}


@pytest.mark.parametrize("triple", ["aarch64-unknown-linux-gnu", "thumbv7m-none-eabi"])
def test_others_find_theirs_by_their_triple(triple: str) -> None:
    assert make_cargo_file(TARGETS[triple], ("/runner", "x")) == ""
