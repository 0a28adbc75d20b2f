"""Android: the compiler under the NDK's names, and what an image has of an NDK."""

from __future__ import annotations

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, OwnFileSpec, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import KINDS, PRIVATE, RULES, design_image

NDK = "/home/me/android-ndk-r27c-linux.zip"
TRIPLES = [triple for triple, target in TARGETS.items() if target.os == "android"]


def make_android(triple: str = "aarch64-linux-android", **options: str | int) -> Recipe:
    given = {rule.name: rule.default for rule in RULES["android"].options} | options
    return make_recipe(
        target=TARGETS[triple], kind="android", runner="auto", additions=Additions(), options=tuple(given.items())
    )


def find_file(made: Blueprint, path: str) -> str:
    (found,) = [file.content.decode() for layer in made.layers for file in layer.files if file.path == path]
    return found


@pytest.mark.parametrize(
    ("triple", "compiler", "tools"),
    [
        ("aarch64-linux-android", "aarch64-linux-android24-clang", "aarch64-linux-android-"),
        ("armv7-linux-androideabi", "armv7a-linux-androideabi24-clang", "arm-linux-androideabi-"),
        ("i686-linux-android", "i686-linux-android24-clang", "i686-linux-android-"),
        ("x86_64-linux-android", "x86_64-linux-android24-clang", "x86_64-linux-android-"),
        ("thumbv7neon-linux-androideabi", "armv7a-linux-androideabi24-clang", "arm-linux-androideabi-"),
        ("riscv64-linux-android", "riscv64-linux-android24-clang", "riscv64-linux-android-"),
    ],
)
def test_programs_have_the_names_that_the_ndk_gives_them(triple: str, compiler: str, tools: str) -> None:
    made = design_image(make_android(triple, api=24), AMD64)
    env, under = dict(made.env), TARGETS[triple].underscored
    assert env[f"CARGO_TARGET_{TARGETS[triple].upper}_LINKER"] == env[f"CC_{under}"] == compiler
    assert env[f"CXX_{under}"] == f"{compiler}++"
    assert env[f"AR_{under}"] == f"{tools}ar"
    assert env[f"RANLIB_{under}"] == f"{tools}ranlib"
    assert env[f"STRIP_{under}"] == f"{tools}strip"
    assert "/usr/lib/llvm-19/bin/clang " in find_file(made, f"/usr/local/bin/{compiler}")
    config = find_file(made, "/opt/android/clang.cfg")
    assert f"--target={compiler.removesuffix('-clang')}\n" in config
    assert env["CROSS_CMAKE_SYSTEM_NAME"] == "Android"
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"


def test_an_image_without_an_ndk_has_a_folder_for_it_and_may_be_published() -> None:
    made = design_image(make_android(), AMD64)
    assert PRIVATE not in dict(made.labels)
    assert not any(layer.sources for layer in made.layers)
    assert dict(made.env)["CROSS_SYSROOT"] == "/opt/android/NDK/sysroot"
    folders = {folder for layer in made.layers for folder in layer.folders}
    assert {"/opt/android/NDK/sysroot", "/opt/android/NDK/clang/lib/linux"} <= folders


@pytest.mark.parametrize("triple", TRIPLES)
@pytest.mark.parametrize("platform", [AMD64, ARM64])
def test_an_ndk_is_in_a_layer_of_its_own(triple: str, platform: object) -> None:
    made = design_image(make_android(triple, ndk=NDK), platform)  # type: ignore[arg-type]
    layer = made.layers[-2]
    assert layer.name == "android-ndk"
    (source,) = layer.sources
    assert source == OwnFileSpec(name="android-ndk-r27c-linux.zip", path=NDK, tops=("android-ndk-r27c",))
    assert dict(made.labels)[PRIVATE] == source.name
    assert dict(made.env)["CROSS_SYSROOT"] == "/opt/android/android-ndk-r27c/sysroot"
    assert "/opt/android/NDK" not in str(made.describe())


def test_runtimes_are_looked_for_as_clang_calls_them() -> None:
    def script(triple: str) -> str:
        (run,) = design_image(make_android(triple, ndk=NDK), AMD64).layers[-2].run
        return run.script

    assert "linux/arm/*" in script("armv7-linux-androideabi")
    assert "libclang_rt.*-arm-android*" in script("armv7-linux-androideabi")
    assert "usr/lib/arm-linux-androideabi/*" in script("armv7-linux-androideabi")
    assert "linux/i386/*" in script("i686-linux-android")
    assert "libclang_rt.*-i686-android*" in script("i686-linux-android")
    assert "linux/aarch64/*" in script("aarch64-linux-android")


def test_cmake_leaves_the_ndk_alone() -> None:
    layer = design_image(make_android(api=30), AMD64).layers[-1]
    lines = layer.files[0].content.decode().splitlines()
    assert "set(CMAKE_SYSTEM_VERSION 1)" in lines
    assert "set(ANDROID_ABI arm64-v8a)" in lines
    assert "set(ANDROID_PLATFORM android-30)" in lines


def test_an_api_level_that_the_architecture_has() -> None:
    rules, riscv = RULES["android"], TARGETS["riscv64-linux-android"]
    assert rules.list_defaults(riscv)["api"] == 35
    assert rules.list_defaults(TARGETS["aarch64-linux-android"]).get("api", 21) == 21
    (fault,) = rules.find_faults(riscv, {"api": 34})
    assert (fault.option, fault.hint) == ("api", "its first is 35")
    assert not [*rules.find_faults(riscv, {"api": 35})]
    assert not [*rules.find_faults(TARGETS["aarch64-linux-android"], {"api": 21})]


def test_the_kind_is_for_android_alone() -> None:
    accepts = KINDS["android"].rules.accepts
    assert {triple for triple, target in TARGETS.items() if accepts(target) is None} == set(TRIPLES)
