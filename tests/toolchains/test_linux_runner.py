"""The runner script, run for real with sh: a stand-in takes the emulator's place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.runners import table
from imagefab.toolchains.runners.linux import RUNNER

RECIPE = make_recipe()
EMULATOR = '#!/bin/sh\nprintf "emulated"\nprintf " [%s]" "$@"\necho\nexit 7\n'
PROGRAM = '#!/bin/sh\nprintf "program"\nprintf " [%s]" "$@"\necho\nexit 5\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write(tmp_path / "program", PROGRAM)


def make_runner(folder: Path, platform: HostPlatform) -> Path:
    """The script as it is in the image, but for where the emulator is."""
    (layer,) = table.make_runner(RECIPE, platform).layers
    (file,) = layer.files
    assert (file.path, file.mode) == (RUNNER, 0o755)
    text = file.content.decode()
    assert ("/usr/bin/qemu-aarch64" in text) == (platform == AMD64)
    emulator = write(folder / "emulator", EMULATOR)
    return write(folder / "linux-runner", text.replace("/usr/bin/qemu-aarch64", str(emulator)))


def run(runner: Path, *arguments: object, **env: str) -> tuple[str, int]:
    """Output and exit code, with nothing but the given variables around."""
    settings = [f"{name}={value}" for name, value in env.items()]
    result = subprocess.run(
        ["env", "-i", *settings, "/bin/sh", runner, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return result.stdout + result.stderr, result.returncode


def test_a_foreign_program_is_emulated_with_nothing_in_the_environment(tmp_path: Path, program: Path) -> None:
    runner = make_runner(tmp_path, AMD64)
    expected = f"emulated [-cpu] [cortex-a53] [-L] [/usr/aarch64-linux-gnu] [{program}] [a b] [$x]\n"
    assert run(runner, "aarch64", program, "a b", "$x") == (expected, 7)


def test_the_libraries_may_be_elsewhere(tmp_path: Path, program: Path) -> None:
    runner = make_runner(tmp_path, AMD64)
    assert "[-L] [/usr/my libs]" in run(runner, "aarch64", program, QEMU_LD_PREFIX="/usr/my libs")[0]
    assert "[-L] [/usr/aarch64-linux-gnu]" in run(runner, "aarch64", program, QEMU_LD_PREFIX="")[0]


def test_the_processor_is_the_users_to_choose(tmp_path: Path, program: Path) -> None:
    runner = make_runner(tmp_path, AMD64)
    assert "[-cpu] [max]" in run(runner, "aarch64", program, QEMU_CPU="max")[0]
    assert "[-cpu] [cortex-a53]" in run(runner, "aarch64", program, QEMU_CPU="")[0]


@pytest.mark.parametrize("choice", ["qemu-user", ""])
def test_the_emulator_by_name_or_by_default(tmp_path: Path, program: Path, choice: str) -> None:
    assert run(make_runner(tmp_path, AMD64), "aarch64", program, CROSS_RUNNER=choice)[0].startswith("emulated")


def test_a_host_may_run_it_by_itself(tmp_path: Path, program: Path) -> None:
    runner = make_runner(tmp_path, AMD64)
    assert run(runner, "aarch64", program, "x", CROSS_RUNNER="native") == ("program [x]\n", 5)


def test_on_its_own_platform_a_program_runs_as_it_is(tmp_path: Path, program: Path) -> None:
    runner = make_runner(tmp_path, ARM64)
    for env in ({}, {"CROSS_RUNNER": ""}, {"CROSS_RUNNER": "native"}):
        assert run(runner, "aarch64", program, "a b", "", **env) == ("program [a b] []\n", 5)


@pytest.mark.parametrize(("platform", "choice"), [(AMD64, "qemu-system"), (AMD64, "*"), (ARM64, "qemu-user")])
def test_another_choice_is_refused(tmp_path: Path, program: Path, platform: HostPlatform, choice: str) -> None:
    said, code = run(make_runner(tmp_path, platform), "aarch64", program, CROSS_RUNNER=choice)
    assert code == 1
    assert f"not with '{choice}'" in said
    assert "native" in said


def test_the_path_is_not_needed(tmp_path: Path, program: Path) -> None:
    assert run(make_runner(tmp_path, AMD64), "aarch64", program, PATH="/nowhere")[1] == 7


def test_only_the_one_emulator_is_taken() -> None:
    (layer,) = table.make_runner(RECIPE, AMD64).layers
    (extract,) = layer.extracts
    assert (extract.package, extract.member, extract.mode) == ("qemu-user", "/usr/bin/qemu-aarch64", 0o755)
    assert not layer.packages
    assert not table.make_runner(RECIPE, ARM64).layers[0].extracts


def test_the_emulator_is_shared_by_all_images_for_an_architecture() -> None:
    musl = make_recipe(target=TARGETS["aarch64-unknown-linux-musl"], kind="musl")
    assert table.make_runner(musl, AMD64).layers == table.make_runner(RECIPE, AMD64).layers


@pytest.mark.parametrize(
    ("asked", "platform", "name"),
    [("auto", AMD64, "qemu-user"), ("auto", ARM64, "native"), ("none", AMD64, "none"), ("none", ARM64, "none")],
)
def test_names(asked: str, platform: HostPlatform, name: str) -> None:
    recipe = make_recipe(runner=asked)
    runner = table.make_runner(recipe, platform)
    assert runner.name == name
    assert bool(runner.layers) == bool(runner.command) == (name != "none")
