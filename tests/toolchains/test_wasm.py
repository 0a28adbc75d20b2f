"""WebAssembly: the toolchain, and the script that runs WASI programs, with a stand-in in the place of WasmEdge."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import RULES, design_image
from imagefab.toolchains.runners.table import make_runner
from imagefab.toolchains.runners.wasm import RUNNER

WASI = make_recipe(target=TARGETS["wasm32-wasip1"], kind="wasm", additions=Additions())
UNKNOWN = make_recipe(target=TARGETS["wasm32-unknown-unknown"], kind="wasm", additions=Additions())


def read_files(recipe: Recipe) -> dict[str, str]:
    layers = design_image(recipe, AMD64).layers
    return {file.path: file.content.decode() for layer in layers for file in layer.files if file.path.startswith("/")}


def test_cargo_has_its_own_linker() -> None:
    for recipe in (WASI, UNKNOWN):
        env = dict(design_image(recipe, AMD64).env)
        assert not any(name.endswith("_LINKER") for name in env)
        assert env[f"AR_{recipe.target.underscored}"] == f"{recipe.target.triple}-ar"


def test_wasi_has_a_sysroot_of_its_own_and_no_exceptions() -> None:
    files = read_files(WASI)
    assert "--target=wasm32-wasip1 --sysroot=/usr/wasm32-wasip1 " in files["/usr/local/bin/wasm32-wasip1-clang"]
    assert "-fno-exceptions" in files["/usr/local/bin/wasm32-wasip1-clang++"]
    assert "-fno-exceptions" not in files["/usr/local/bin/wasm32-wasip1-clang"]


def test_without_a_system_there_are_no_libraries_and_no_runner() -> None:
    blueprint = design_image(UNKNOWN, AMD64)
    assert dict(blueprint.labels)["org.cross-rs.runs-with"] == "none"
    assert not any("wasi" in package for layer in blueprint.layers for package in layer.packages)
    assert "-nostdlib" in read_files(UNKNOWN)["/usr/local/bin/wasm32-unknown-unknown-clang"]
    assert "CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY" in read_files(UNKNOWN)["/opt/toolchain.cmake"]
    assert "TRY_COMPILE" not in read_files(WASI)["/opt/toolchain.cmake"]


def test_any_host_runs_it() -> None:
    for platform in (AMD64, ARM64):
        blueprint = design_image(WASI, platform)
        assert dict(blueprint.env)["CARGO_TARGET_WASM32_WASIP1_RUNNER"] == RUNNER
        assert dict(blueprint.labels)["org.cross-rs.runs-with"] == "wasmedge"


def test_emscripten_links_for_cargo_and_node_runs_what_it_makes() -> None:
    recipe = make_recipe(target=TARGETS["wasm32-unknown-emscripten"], kind="wasm", additions=Additions())
    env = dict(design_image(recipe, AMD64).env)
    assert env["CARGO_TARGET_WASM32_UNKNOWN_EMSCRIPTEN_LINKER"] == "emcc"
    assert env["CARGO_TARGET_WASM32_UNKNOWN_EMSCRIPTEN_RUNNER"] == "/usr/bin/node"
    assert "set(CMAKE_MODULE_PATH /usr/share/emscripten/cmake/Modules)" in read_files(recipe)["/opt/toolchain.cmake"]


def test_which_targets_it_accepts() -> None:
    accepted = {triple for triple, target in TARGETS.items() if RULES["wasm"].accepts(target) is None}
    assert accepted == {triple for triple in TARGETS if triple.startswith("wasm")}


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    (layer,) = make_runner(WASI, AMD64).layers
    (file,) = layer.files
    stand_in = tmp_path / "wasmedge"
    stand_in.write_text('#!/bin/sh\nprintf "[%s]" "$@"\nexit 7\n')
    stand_in.chmod(0o755)
    path = tmp_path / "wasm-runner"
    path.write_text(file.content.decode().replace("/usr/bin/wasmedge", str(stand_in)))
    return path


def run(runner: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    settings = [f"{name}={value}" for name, value in env.items()]
    return subprocess.run(
        ["env", "-i", *settings, "/bin/sh", runner, *arguments],
        cwd=runner.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_program_sees_its_folder_and_its_arguments(runner: Path) -> None:
    ran = run(runner, "a.wasm", "--dir", "b c", "")
    here = runner.parent
    assert ran.stdout == f"[--dir][.:{here}][--dir][{here}:{here}][--][a.wasm][--dir][b c][]"
    assert ran.returncode == 7


def test_it_sees_what_rusts_tests_look_at(runner: Path) -> None:
    ran = run(runner, "a.wasm", RUST_BACKTRACE="1", RUST_LOG="a='b' $c", SECRET="x", RUST_MIN_STACK="")
    assert "[--env][RUST_BACKTRACE=1]" in ran.stdout
    assert "[--env][RUST_LOG=a='b' $c]" in ran.stdout
    assert "SECRET" not in ran.stdout
    assert "RUST_MIN_STACK" not in ran.stdout


def test_wrong_use(runner: Path) -> None:
    assert run(runner).returncode == 2
    refused = run(runner, "a.wasm", CROSS_RUNNER="wine")
    assert (refused.returncode, "not with 'wine'" in refused.stderr) == (1, True)
    assert run(runner, "a.wasm", CROSS_RUNNER="wasmedge").returncode == 7


def test_components_are_linked_by_rustc() -> None:
    recipe = make_recipe(target=TARGETS["wasm32-wasip2"], kind="wasm", additions=Additions())
    made = design_image(recipe, AMD64)
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"
    assert (
        "--target=wasm32-wasip2 --sysroot=/usr/wasm32-wasip2 "
        in read_files(recipe)["/usr/local/bin/wasm32-wasip2-clang"]
    )
    assert "CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY" in read_files(recipe)["/opt/toolchain.cmake"]


def test_a_target_that_clang_does_not_know() -> None:
    recipe = make_recipe(target=TARGETS["wasm32v1-none"], kind="wasm", additions=Additions())
    options = "--target=wasm32-unknown-unknown -mcpu=mvp -mmutable-globals"
    assert f"{options} -nostdlib " in read_files(recipe)["/usr/local/bin/wasm32v1-none-clang"]
    assert options in dict(design_image(recipe, AMD64).env)["BINDGEN_EXTRA_CLANG_ARGS_wasm32v1_none"]
