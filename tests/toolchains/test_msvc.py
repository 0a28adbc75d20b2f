"""Windows by Microsoft's conventions: the wrappers, the runner, and what an image has of an SDK."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.lock.libc import find_libc
from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, OwnFileSpec, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import KINDS, PRIVATE, RULES, design_image

SDK = "/home/me/splat.tar.xz"
TRIPLES = [triple for triple in TARGETS if triple.endswith("-msvc")]


def make_msvc(triple: str = "x86_64-pc-windows-msvc", **options: str) -> Recipe:
    given = {rule.name: rule.default for rule in RULES["msvc"].options} | options
    return make_recipe(
        target=TARGETS[triple], kind="msvc", runner="auto", additions=Additions(), options=tuple(given.items())
    )


def read_files(recipe: Recipe) -> dict[str, str]:
    return {file.path: file.content.decode() for layer in design_image(recipe, AMD64).layers for file in layer.files}


def test_variables() -> None:
    env = dict(design_image(make_msvc(), AMD64).env)
    assert env["CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER"] == "lld-link", "rustc goes by this name"
    assert env["CC_x86_64_pc_windows_msvc"] == env["CXX_x86_64_pc_windows_msvc"] == "clang-cl"
    assert env["AR_x86_64_pc_windows_msvc"] == "llvm-lib"
    assert env["CROSS_CMAKE_SYSTEM_NAME"] == "Windows"
    assert env["CROSS_CMAKE_CRT"] == "msvc"
    assert not {"INCLUDE", "LIB"} & env.keys()


@pytest.mark.parametrize(
    ("triple", "platform", "runner"),
    [
        ("x86_64-pc-windows-msvc", AMD64, "wine"),
        ("i686-pc-windows-msvc", AMD64, "wine"),
        ("aarch64-pc-windows-msvc", AMD64, "none"),
        ("x86_64-pc-windows-msvc", ARM64, "none"),
        ("aarch64-pc-windows-msvc", ARM64, "none"),
    ],
)
def test_wine_runs_what_it_can(triple: str, platform: object, runner: str) -> None:
    made = design_image(make_msvc(triple), platform)  # type: ignore[arg-type]
    assert dict(made.labels)["org.cross-rs.runs-with"] == runner
    assert any("RUNNER" in name for name, _ in made.env) is (runner == "wine")


def test_the_runner_adds_no_libraries_of_gcc() -> None:
    script = read_files(make_msvc())["/wine-runner"]
    assert "gcc" not in script
    assert "@" not in script.replace('"$@"', "")
    assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0


def test_an_image_without_an_sdk_has_a_folder_for_it_and_may_be_published() -> None:
    made = design_image(make_msvc(), AMD64)
    assert PRIVATE not in dict(made.labels)
    assert not any(layer.sources for layer in made.layers)
    assert dict(made.env)["CROSS_SYSROOT"] == "/opt/msvc/SDK"
    assert "/opt/msvc/SDK/sdk/lib/um/x86_64" in {folder for layer in made.layers for folder in layer.folders}


@pytest.mark.parametrize(
    ("triple", "arch"),
    [
        ("x86_64-pc-windows-msvc", "x86_64"),
        ("i686-pc-windows-msvc", "x86"),
        ("aarch64-pc-windows-msvc", "aarch64"),
    ],
)
def test_an_sdk_is_in_a_layer_of_its_own(triple: str, arch: str) -> None:
    recipe = make_msvc(triple, sdk=SDK)
    made = design_image(recipe, ARM64)
    layer = made.layers[-2]
    assert layer.name == "msvc-sdk"
    assert layer.sources == (OwnFileSpec(name="splat.tar.xz", path=SDK, tops=("crt", "sdk")),)
    assert dict(made.labels)[PRIVATE] == "splat.tar.xz"
    assert "/opt/msvc/SDK" not in str(made.describe())
    wrapper = read_files(recipe)["/usr/local/bin/lld-link"]
    assert f"/opt/msvc/splat/crt/lib/{arch};/opt/msvc/splat/sdk/lib/ucrt/{arch};" in wrapper
    assert f"--target={triple}\n" in read_files(recipe)["/opt/msvc/clang-cl.cfg"]


def test_variables_of_users_come_first(tmp_path: Path) -> None:
    """With a stand-in for the compiler that says what it was given."""
    wrapper = read_files(make_msvc())["/usr/local/bin/clang-cl"]
    said = re.sub(r"^exec \S+ (.*)$", r'printf "%s\\n" "$INCLUDE" "$LIB" \1', wrapper, flags=re.MULTILINE)
    (tmp_path / "clang-cl").write_text(said)

    def run(**env: str) -> list[str]:
        command = ["env", "-i", *(f"{name}={value}" for name, value in env.items()), "sh", "clang-cl", "/c", "a b.c"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()

    plain = run()
    assert plain[0].split(";")[0] == "/opt/msvc/SDK/crt/include"
    assert plain[2:] == ["--driver-mode=cl", "--config=/opt/msvc/clang-cl.cfg", "/c", "a b.c"]
    assert run(INCLUDE="/mine", LIB="/libs;/more")[:2] == [f"/mine;{plain[0]}", f"/libs;/more;{plain[1]}"]


def test_cmake_uses_the_release_runtime() -> None:
    files = read_files(make_msvc())
    lines = files["/opt/toolchain.cmake"].splitlines()
    assert "set(CMAKE_C_COMPILER clang-cl)" in lines
    assert "set(CMAKE_LINKER /usr/local/bin/lld-link)" in lines
    assert "set(CMAKE_MSVC_RUNTIME_LIBRARY MultiThreadedDLL)" in lines
    (override,) = [line for line in lines if "OVERRIDE" in line]
    assert override.rpartition(" ")[2].rstrip(")") in files


def test_the_kind_is_for_microsofts_conventions_alone() -> None:
    for name, triples in (("msvc", TRIPLES), ("mingw", ["x86_64-pc-windows-gnu", "i686-pc-windows-gnu"])):
        accepts = KINDS[name].rules.accepts
        assert {triple for triple, target in TARGETS.items() if accepts(target) is None} == set(triples)


def test_the_c_library_is_not_from_the_archive() -> None:
    assert find_libc(None, TARGETS["x86_64-pc-windows-msvc"]) == (None, None)
    assert find_libc(None, TARGETS["x86_64-pc-windows-gnu"])[0] == "mingw-w64"
