"""Projects for tests, and recipes for them as text."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.support.command_line import ROOT, CommandLine

HEAD = """\
description = "{description}"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "{base}"
platforms = ["linux/amd64"]
runner = "none"
"""
TINY = HEAD.format(description="Debian and nothing more", base="debian-trixie")
"""The smallest image that there is: what was bootstrapped, and what a test adds."""

STEP = """
[[run]]
name = "{name}"
script = '''
{script}
'''
"""
FILE = """
[[files]]
path = "{path}"
content = "{content}"
"""

NAMED = """\
description = "{name}"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "{base}"

[[files]]
path = "/opt/name"
content = "{name}"
"""


def add_step(script: str, name: str = "step", recipe: str = TINY) -> str:
    return recipe + STEP.format(name=name, script=script)


def make_project(folder: Path, recipes: Mapping[str, str]) -> Path:
    """The shipped bases, and recipes given as text."""
    shutil.copytree(ROOT / "recipes" / "bases", folder / "recipes" / "bases")
    for name, text in recipes.items():
        write_recipe(folder, name, text)
    return folder


def write_recipe(folder: Path, name: str, text: str) -> None:
    (folder / "recipes" / f"{name}.toml").write_text(text)


def add_recipe(line: CommandLine, name: str, text: str) -> None:
    """Write it, and lock it."""
    write_recipe(line.folder, name, text)
    line.run("lock", name)


def copy_project(line: CommandLine, folder: Path) -> CommandLine:
    """The same store, and the project to do with as one likes."""
    return line.at(Path(shutil.copytree(line.folder, folder)))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files of a folder, and when they were written."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}
