"""What differs between suites of Debian."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sample_recipe import ROOT, TOOLS, make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Archive, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import CPU_CLAIM, LayerSpec
from imagefab.toolchains.design import design_image
from imagefab.toolchains.runners.table import make_runner


def recipe_on(suite: str, target: str = "aarch64-unknown-linux-gnu", kind: str = "gcc") -> Recipe:
    root = replace(ROOT, archives=(Archive(name=suite, archive="debian", suite=suite),))
    return make_recipe(bases=(root, TOOLS), additions=Additions(), target=TARGETS[target], kind=kind)


def layer(recipe: Recipe, start: str) -> LayerSpec:
    return next(layer for layer in design_image(recipe, AMD64).layers if layer.name.startswith(start))


@pytest.mark.parametrize(
    ("suite", "package", "member"),
    [
        ("bullseye", "qemu-user-static", "/usr/bin/qemu-aarch64-static"),
        ("bookworm", "qemu-user-static", "/usr/bin/qemu-aarch64-static"),
        ("trixie", "qemu-user", "/usr/bin/qemu-aarch64"),
        ("forky", "qemu-user", "/usr/bin/qemu-aarch64"),
    ],
)
def test_the_emulator_needs_no_libraries(suite: str, package: str, member: str) -> None:
    (extract,) = layer(recipe_on(suite), "runner").extracts
    assert (extract.package, extract.member, extract.path) == (package, member, "/usr/bin/qemu-aarch64")


@pytest.mark.parametrize(
    ("suite", "folders", "scripts"),
    [("bullseye", ("/usr/include/aarch64-linux-gnu",), 1), ("bookworm", ("/usr/include/aarch64-linux-gnu",), 0),
     ("trixie", (), 0), ("forky", (), 0)],
)  # fmt: skip
def test_the_cross_compiler(suite: str, folders: tuple[str, ...], scripts: int) -> None:
    found = layer(recipe_on(suite), "gcc-")
    assert (found.folders, len(found.run)) == (folders, scripts)


@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie", "forky"])
@pytest.mark.parametrize("target", ["aarch64-unknown-linux-gnu", "i686-unknown-linux-gnu"])
def test_the_folder_of_headers_exists_for_every_compiler(suite: str, target: str) -> None:
    wanted = {f"-idirafter/usr/include/{TARGETS[target].multiarch}"}
    recipes = {kind: replace(recipe_on(suite, target, kind), options=(("version", "16"),)) for kind in ("gcc", "llvm")}
    for kind, start in (("gcc", "gcc-"), ("llvm", "libraries-")):
        found = {f"-idirafter{folder}" for folder in layer(recipes[kind], start).folders}
        assert found == (wanted if suite in ("bullseye", "bookworm") else set())


def test_nothing_to_mend_on_the_targets_own_platform() -> None:
    made = design_image(recipe_on("bullseye"), ARM64)
    assert not any(layer.name.startswith("gcc-") for layer in made.layers)


@pytest.mark.parametrize(("suite", "version"), [("bullseye", 10), ("bookworm", 12), ("trixie", 14), ("forky", 14)])
def test_the_source_of_the_compilers_library(suite: str, version: int) -> None:
    found = layer(recipe_on(suite, "aarch64-unknown-linux-musl", "musl"), "musl-arm64-cxx")
    assert found.opened == (f"gcc-{version}-source",)


def test_kinds_on_an_old_suite_share_the_cross_compiler() -> None:
    musl = recipe_on("bullseye", "aarch64-unknown-linux-musl", "musl")
    assert layer(musl, "gcc-") == layer(recipe_on("bullseye"), "gcc-")


@pytest.mark.parametrize(("suite", "old"), [("bookworm", True), ("trixie", False), ("forky", False)])
@pytest.mark.parametrize("target", ["thumbv7m-none-eabi", "riscv64gc-unknown-none-elf"])
def test_bare_metal(suite: str, old: bool, target: str) -> None:
    recipe = recipe_on(suite, target, "baremetal")
    files = {file.path: file.content for file in layer(recipe, "wrappers-").files}
    assert (b" -L/opt/baremetal " in files[f"/usr/local/bin/{target}-g++"]) is old
    assert (b" -nostdlib++ " in files[f"/usr/local/bin/{target}-g++"]) is not old
    assert files.get("/opt/baremetal/libstdc++.a") == (b"!<arch>\n" if old else None)
    if "riscv" in target:
        assert layer(recipe, "runner-").packages == ("qemu-system-misc" if old else "qemu-system-riscv",)
        gcc = layer(recipe, "gcc-")
        assert bool(gcc.run) is not old
        assert (b"/lib/rv64imafdc/lp64d/" in gcc.files[0].content) is old


@pytest.mark.parametrize(
    ("triple", "suite", "cpu"),
    [
        ("aarch64-unknown-linux-musl", "trixie", "cortex-a53"),
        ("arm-unknown-linux-gnueabi", "trixie", "arm1176"),
        ("arm-unknown-linux-musleabihf", "trixie", "cortex-a9,neon=off,vfp-d32=off"),
        ("armv7-unknown-linux-gnueabihf", "trixie", "cortex-a9,neon=off,vfp-d32=off"),
        ("armv7-unknown-linux-gnueabihf", "bookworm", "cortex-a9"),
        ("thumbv7neon-unknown-linux-gnueabihf", "trixie", "cortex-a9"),
        ("riscv64gc-unknown-linux-gnu", "trixie", "sifive-u54"),
        ("mips-unknown-linux-gnu", "trixie", ""),
    ],
)
def test_the_oldest_processor_of_a_target(triple: str, suite: str, cpu: str) -> None:
    runner = make_runner(recipe_on(suite, triple), AMD64)
    assert dict(runner.labels).get(CPU_CLAIM, "") == cpu
    assert (b" -cpu " in runner.layers[0].files[0].content) == bool(cpu)
