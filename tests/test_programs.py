"""The scripts and programs that images and probes are made of: linted as they are used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.platforms import HOST_PLATFORMS
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.toolchains.design import RULES, design_image
from tests.machine import require
from tests.test_structure import SOURCE

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SCRIPTS, PROGRAMS = SOURCE / "toolchains/scripts", SOURCE / "check/programs"
EXCUSED = (
    "SC1003",  # a backslash in quotes is one, and no attempt at a quote
    "SC2038",  # no package has a file whose name has spaces
    "SC2043",  # a loop over what is one word in this image
    "SC2046",  # words are to be split
    "SC2154",  # a step is given SOURCES
    "SC2231",  # a pattern with a value in it that has no spaces
)
COMPILED = {
    "framework.c": None,  # Apple's headers, with the SDK
    "libgcc_musl.c": None,  # for musl's headers; glibc declares some of it otherwise
    "library-dll.c": ("gcc", "-std=gnu11", "-D__declspec(x)="),
    "bare-say-aarch64.c": None,  # another processor's assembler
    "bare-start-aarch64.S": None,
}
"""The compiler where it is not that of the ending."""
COMPILERS = {".c": ("gcc", "-std=gnu11"), ".cc": ("g++", "-std=c++17"), ".S": ("gcc",)}


def list_scripts() -> Iterator[tuple[str, str]]:
    """All distinct scripts in shipped images, and of their steps, with a name."""
    for recipe in load_recipes(find_shipped_project(), RULES):
        for platform in recipe.platforms:
            for layer in design_image(recipe, HOST_PLATFORMS[platform]).layers:
                for file in layer.files:
                    if file.content.startswith(b"#!/bin/sh"):
                        yield file.path.rpartition("/")[2], file.content.decode()
                for step in layer.run:
                    yield step.name, f"#!/bin/sh\nset -eu\n{step.script}"


def test_scripts_of_images(tmp_path: Path) -> None:
    require(SHELLCHECK.exists(), "shellcheck")
    distinct = {text: name for name, text in list_scripts()}
    assert len(distinct) > 100
    for number, (text, name) in enumerate(distinct.items()):
        (tmp_path / f"{number}-{name.replace(' ', '-').replace('/', '-')}").write_text(text)
    check_shell(sorted(tmp_path.iterdir()))


def test_scripts_of_probes() -> None:
    require(SHELLCHECK.exists(), "shellcheck")
    check_shell([*sorted(PROGRAMS.glob("*.sh")), SOURCE / "plan/tidy.sh"], "--exclude=SC2153")


def check_shell(paths: list[Path], *options: str) -> None:
    words = [
        str(SHELLCHECK),
        "--shell=sh",
        f"--exclude={','.join(EXCUSED)}",
        "--format=gcc",
        *options,
        *map(str, paths),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


WITH_LIBRARIES = ("bpf-filter.c",)
"""Programs with headers that this machine need not have."""


def list_programs() -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Those that this machine's compilers take, with the compiler."""
    for folder in (SCRIPTS, PROGRAMS):
        for path in sorted(folder.iterdir()):
            compiler = COMPILED.get(path.name, COMPILERS.get(path.suffix))
            if compiler is not None and path.name not in WITH_LIBRARIES:
                yield path, compiler


@pytest.mark.parametrize(("path", "compiler"), [*list_programs()], ids=lambda value: getattr(value, "name", ""))
def test_programs_compile_without_warnings(path: Path, compiler: tuple[str, ...], tmp_path: Path) -> None:
    require(shutil.which(compiler[0]) is not None, compiler[0])
    source = tmp_path / path.name
    source.write_text(path.read_text().replace("@bits@", "64"))
    warnings = () if path.suffix == ".S" else ("-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-fsyntax-only")
    words = [*compiler, *warnings, "-c", source, "-o", tmp_path / "out.o"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_file_is_used() -> None:
    texts = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    names = [path.name for folder in (SCRIPTS, PROGRAMS) for path in folder.iterdir()]
    computed = {"bare-main.c", "bare-main.cc"}
    assert [name for name in names if f'"{name}"' not in texts and name not in computed] == []
