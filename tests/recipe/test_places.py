"""Positions of errors that are found after a recipe was loaded."""

from __future__ import annotations

from typing import Any

import pytest

from imagefab.errors import OptionError, OwnFileError, PackageError, Position
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.places import place_option, place_own_file, place_package
from imagefab.toolchains.design import RULES

RECIPE = """\
description = "binaries with OpenSSL"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "tools"
[packages]
host = ["make",
    "libc6:armhf"]
target = ["libssl-dev"]
"""
GNU_RECIPE = """\
description = "binaries for old systems"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "root"
[options]
glibc = "2.31"
"""
TOOLS = 'description = "d"\nbase = "root"\npackages.host = ["jq", "make"]\n'


@pytest.mark.parametrize(
    ("package", "position"),
    [
        ("libssl-dev:arm64", Position("recipes/good.toml", 8, 11)),
        ("libssl-dev", Position("recipes/good.toml", 8, 11)),
        (":arm64", Position("recipes/good.toml", 8, 11)),
        ("libc6:armhf", Position("recipes/good.toml", 7, 5)),
        (":armhf", Position("recipes/good.toml", 7, 5)),
        ("make", Position("recipes/good.toml", 6, 9)),
        ("jq", Position("recipes/bases/tools.toml", 3, 18)),
        ("g++-aarch64-linux-gnu", None),
        (":amd64", None),
    ],
)
def test_packages(package: str, position: Position | None, write_project: Any) -> None:
    project = write_project({"recipes/good.toml": RECIPE, "recipes/bases/tools.toml": TOOLS})
    (recipe,) = load_recipes(project, RULES, ["good"])
    placed = place_package(project, recipe, PackageError("there is none", package=package, hint="ask for another"))
    assert (placed.problem, placed.hint, placed.position) == ("there is none", "ask for another", position)


def test_options(write_project: Any) -> None:
    project = write_project({"recipes/good.toml": GNU_RECIPE})
    (recipe,) = load_recipes(project, RULES, ["good"])
    placed = place_option(project, recipe, OptionError("it can't be", option="glibc", hint="claim more"))
    assert (placed.problem, placed.hint) == ("it can't be", "claim more")
    assert placed.position == Position("recipes/good.toml", 6, 9)
    placed = place_option(project, recipe, OptionError("there is none", option="base"))
    assert placed.position == Position("recipes/good.toml", GNU_RECIPE[: GNU_RECIPE.index("base")].count("\n") + 1, 8)


OWN = """\
description = "with files of the user's"
target = "aarch64-apple-darwin"
kind = "osxcross"
base = "files"
[options]
sdk = "MacOSX15.0.sdk.tar.xz"
[[sources]]
name = "mine.bin"
file = "vendor/mine.bin"
"""
FILES = 'description = "d"\nbase = "root"\n[[sources]]\nname = "base.bin"\nfile = "base.bin"\n'


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("MacOSX15.0.sdk.tar.xz", Position("recipes/good.toml", 6, 7)),
        ("vendor/mine.bin", Position("recipes/good.toml", 9, 8)),
        ("base.bin", Position("recipes/bases/files.toml", 5, 8)),
        ("elsewhere", None),
    ],
)
def test_own_files(name: str, position: Position | None, write_project: Any) -> None:
    project = write_project({"recipes/good.toml": OWN, "recipes/bases/files.toml": FILES})
    (recipe,) = load_recipes(project, RULES, ["good"])
    error = OwnFileError("it is not there", path=str(project.root / name), hint="bring it")
    placed = place_own_file(project, recipe, error)
    assert (placed.problem, placed.hint, placed.position) == ("it is not there", "bring it", position)
