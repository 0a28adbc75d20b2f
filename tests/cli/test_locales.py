"""Locales whose encoding lacks characters: they are escaped, and no verb fails because of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imagefab.flows.prepare import design_blueprints, lock_path
from imagefab.lock.file import make_whole, read_lock, write_lock
from imagefab.lock.staleness import inputs_digest
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES

DESCRIPTION = "für …"
POOR = {
    "ascii": ({"LC_ALL": "C", "PYTHONUTF8": "0"}, "f\\xfcr \\u2026"),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, "für \\u2026"),
}
"""An environment, and what is left of the description in it."""


@pytest.fixture
def foreign(small_project: Path) -> Path:
    """A project whose recipe has characters that few encodings have, with a lock that fits."""
    path = small_project / "recipes" / "aarch64-gnu.toml"
    lines = path.read_text().splitlines()
    lines[1] = f'description = "{DESCRIPTION}"'
    path.write_text("\n".join([*lines, "[env]", f'TEXT = "{DESCRIPTION}"', ""]))
    opened = open_project(small_project)
    (recipe,) = load_recipes(opened, RULES, ["aarch64-gnu"])
    lock = lock_path(opened, recipe.name)
    write_lock(lock, make_whole(replace(read_lock(lock, recipe="x"), inputs=inputs_digest(design_blueprints(recipe)))))
    return small_project


def run(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "imagefab", *arguments]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON"))}
    return subprocess.run(command, capture_output=True, check=False, env=surroundings | env)


@pytest.mark.parametrize("poor", POOR)
def test_output_for_people(poor: str, foreign: Path) -> None:
    env, left = POOR[poor]
    encoding = env.get("PYTHONIOENCODING", "ascii").partition(":")[0]
    shown = run(env, "show", "aarch64-gnu")
    assert (shown.returncode, shown.stderr) == (0, b"")
    head, *lines = shown.stdout.decode(encoding).splitlines()
    assert head == f"aarch64-gnu: {left}"
    assert f"  TEXT={left}" in lines


@pytest.mark.parametrize("verb", [["show", "aarch64-gnu"], ["list"]], ids=lambda verb: verb[0])
@pytest.mark.parametrize("poor", POOR)
def test_json(poor: str, verb: list[str], foreign: Path) -> None:
    """Every character is there, escaped as JSON does."""
    listed = run(POOR[poor][0], *verb, "--json")
    assert (listed.returncode, listed.stderr) == (0, b"")
    value = json.loads(listed.stdout.decode("ascii"))
    described = value if verb[0] == "show" else value["recipes"][0]
    assert described["description"] == DESCRIPTION


@pytest.mark.parametrize("poor", POOR)
def test_files_are_utf8_in_every_locale(poor: str, foreign: Path) -> None:
    path = foreign / "images" / "aarch64-gnu" / "Dockerfile"
    path.unlink()
    assert run(POOR[poor][0], "render", "aarch64-gnu").returncode == 0
    assert DESCRIPTION in path.read_text("utf-8")


@pytest.mark.parametrize("poor", POOR)
def test_help(poor: str, nowhere: Path) -> None:
    helped = run(POOR[poor][0], "run", "--help")
    assert (helped.returncode, helped.stderr) == (0, b"")
    assert b"CMD\\u2026" in helped.stdout


@pytest.mark.parametrize("poor", POOR)
def test_errors(poor: str, foreign: Path) -> None:
    """About what was typed, too; it comes as bytes."""
    failed = run(POOR[poor][0], "show", "gnü")
    assert failed.returncode == 2
    assert b"no recipe `gn" in failed.stderr
    assert failed.stderr.count(b"hint: ") == 1
    (foreign / "fürder").mkdir()
    assert run(POOR[poor][0], "-C", "fürder", "list").returncode == 0
