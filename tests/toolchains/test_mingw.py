"""Windows: the toolchain, and the script that runs its programs, with stand-ins in the place of Wine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import RULES, design_image
from imagefab.toolchains.runners.table import list_runners, make_runner
from imagefab.toolchains.runners.wine import RUNNER

RECIPE = make_recipe(target=TARGETS["x86_64-pc-windows-gnu"], kind="mingw", additions=Additions())
SMALL = replace(RECIPE, target=TARGETS["i686-pc-windows-gnu"])

WINE = """\
#!/bin/sh
case $1 in
wineboot)
    echo "boot $WINEPREFIX" >>"$LOG"
    cp "$WINEPREFIX/user.reg" "$LOG.registry"
    echo "noise of the beginning"
    echo "more of it" >&2
    exit "${BOOT:-0}"
    ;;
esac
printf '%s\\n' "path $WINEPATH" "debug $WINEDEBUG" "home $HOME" "user $USER"
printf ' [%s]' "$@"
echo
exit 7
"""


def test_the_compilers_are_those_with_posix_threads() -> None:
    layers = {layer.name: layer for layer in design_image(RECIPE, AMD64).layers}
    assert layers["gcc-x86_64-w64-mingw32"].packages == ("g++-mingw-w64-x86-64-posix",)
    env = dict(design_image(RECIPE, AMD64).env)
    assert env["CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER"] == "x86_64-w64-mingw32-gcc"
    assert env["CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER"] == RUNNER
    assert env["CROSS_CMAKE_SYSTEM_NAME"] == "Windows"
    assert b"set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)" in layers["build-systems"].files[0].content


def test_without_wine_there_is_no_runner() -> None:
    """Debian's Wine for arm64 runs no x86 programs."""
    made = design_image(RECIPE, ARM64)
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"
    assert not any("RUNNER" in name for name, _ in made.env)
    assert [layer.name for layer in made.layers if "wine" in layer.name] == []


def test_packages_for_32_bit_programs() -> None:
    (layer,) = make_runner(SMALL, AMD64).layers
    assert layer.architectures == ("i386",)
    assert not any(":i386" in package for package in layer.packages)
    assert [tarball.package for tarball in layer.tarballs] == ["libwine", "libwine:i386"]
    (other,) = make_runner(RECIPE, AMD64).layers
    assert (other.architectures, other.name != layer.name) == ((), True)


@pytest.mark.parametrize("triple", [triple for triple, target in TARGETS.items() if target.os == "windows"])
def test_which_windows_it_makes(triple: str) -> None:
    assert (RULES["mingw"].accepts(TARGETS[triple]) is None) == triple.endswith("-gnu")
    assert ("wine" in list_runners(TARGETS[triple])) == (not triple.startswith("aarch64"))


# -- the runner's script ----------------------------------------------------------------------------------------------


class Runner:
    """The script as it is in the image, but for where Wine and the compiler's DLLs are."""

    def __init__(self, folder: Path, recipe: Recipe = RECIPE) -> None:
        (layer,) = make_runner(recipe, AMD64).layers
        (file,) = layer.files
        self.folder, self.script, self.log = folder, folder / "wine-runner", folder / "log"
        for name in ("14-posix", "lib"):
            (folder / name).mkdir()
        (folder / "wine64").write_text(WINE)
        (folder / "wine64").chmod(0o755)
        text = file.content.decode().replace("/usr/lib/wine/", f"{folder}/")
        text = text.replace("/usr/lib/gcc/x86_64-w64-mingw32/", f"{folder}/")
        self.script.write_text(text.replace("/usr/x86_64-w64-mingw32/", "/nowhere/"))

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        settings = {"TMPDIR": str(self.folder / "tmp dir"), "LOG": str(self.log)} | env
        (self.folder / "tmp dir").mkdir(exist_ok=True)
        return subprocess.run(
            ["env", "-i", *(f"{name}={value}" for name, value in settings.items()), "/bin/sh", self.script, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def boots(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_arguments_output_and_exit_code(runner: Runner) -> None:
    ran = runner.run("./a.exe", "b c", "", "$x")
    assert ran.returncode == 7
    assert ran.stdout.splitlines()[-1] == " [./a.exe] [b c] [] [$x]"
    assert ran.stderr == ""
    assert "noise" not in ran.stdout


def test_the_prefix_is_made_once_in_a_folder_of_the_users(runner: Runner) -> None:
    runner.run("a.exe")
    runner.run("a.exe")
    place = f"{runner.folder}/tmp dir/wine-runner-{os.getuid()}"
    assert runner.boots == [f"boot {place}/prefix"]
    assert '"Graphics"="null"' in (runner.folder / "log.registry").read_text()
    assert "[Software\\\\Wine\\\\Drivers]" in (runner.folder / "log.registry").read_text()
    said = runner.run("a.exe").stdout.splitlines()
    assert f"home {place}" in said
    assert "user user" in said


def test_programs_that_start_together_wait_for_one(runner: Runner) -> None:
    (runner.folder / "wine64").write_text(WINE.replace("wineboot)\n", "wineboot)\n    sleep 0.3\n"))
    command = ["env", "-i", f"TMPDIR={runner.folder}", f"LOG={runner.log}", "/bin/sh", str(runner.script), "a.exe"]
    started = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(5)]
    assert [process.wait() for process in started] == [7] * 5
    assert len(runner.boots) == 1


def test_dlls_are_found_where_they_are(runner: Runner) -> None:
    libraries = f"Z:{runner.folder}/14-posix".replace("/", "\\")
    assert f"path {libraries}" in runner.run("a.exe").stdout.splitlines()
    assert f"path C:\\mine;{libraries}" in runner.run("a.exe", WINEPATH="C:\\mine").stdout.splitlines()


def test_variables_of_users_win(runner: Runner) -> None:
    mine = runner.folder / "mine"
    said = runner.run("a.exe", WINEPREFIX=str(mine), WINEDEBUG="err+all").stdout
    assert runner.boots == [f"boot {mine}"]
    assert "debug err+all" in said
    assert "debug -all" in runner.run("a.exe").stdout


def test_a_prefix_that_cannot_be_made_is_reported_and_tried_again(runner: Runner) -> None:
    ran = runner.run("a.exe", BOOT="3")
    assert ran.returncode == 1
    assert "Wine can't be set up" in ran.stderr
    assert "noise of the beginning" in ran.stderr
    assert runner.run("a.exe").returncode == 7


def test_wrong_use(runner: Runner) -> None:
    assert (runner.run().returncode, runner.run("a.exe", CROSS_RUNNER="wine").returncode) == (2, 7)
    refused = runner.run("a.exe", CROSS_RUNNER="qemu-user")
    assert (refused.returncode, "not with 'qemu-user'" in refused.stderr) == (1, True)
