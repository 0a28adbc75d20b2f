"""Files of a project that cannot be read: each is reported, with the right exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Result, RunImagefab
from tests.cli.sample_pins import publish
from tests.unreadable import UNREADABLE, limit_memory, put_unreadable

pytestmark = pytest.mark.timeout(60)

IMAGES = "images/aarch64-gnu"


@pytest.fixture
def careful(imagefab: RunImagefab) -> RunImagefab:
    """Runs with little memory."""

    def run(*arguments: str) -> Result:
        with limit_memory():
            return imagefab(*arguments)

    return run


def test_a_lock(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        problem = put_unreadable(project / IMAGES / "imagefab.lock", how)
        for verb in ("show", "build", "render", "check"):
            with subtests.test(how, verb=verb):
                result = careful(verb, "aarch64-gnu")
                assert (result.code, result.out) == (4, "")
                assert result.err.startswith(f"error: {IMAGES}/imagefab.lock: {problem}")
                assert "hint: mend or remove it, then run `imagefab lock aarch64-gnu`" in result.err


def test_a_lock_among_others(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        with subtests.test(how):
            put_unreadable(project / IMAGES / "imagefab.lock", how)
            rows = {row["recipe"]: row["lock"] for row in json.loads(careful("list", "--json").out)["recipes"]}
            assert rows["x86_64-gnu"] == "locked"
            assert rows["aarch64-gnu"] != "locked"


def test_settings(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(project / "imagefab.toml", how)
            result = careful("list")
            assert (result.code, result.out) == (3, "")
            assert result.err.startswith(f"imagefab.toml: error: {problem}")


def test_settings_without_recipes(careful: RunImagefab, nowhere: Path, subtests: pytest.Subtests) -> None:
    """They are of a project all the same, so the shipped recipes are not listed instead."""
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(nowhere / "imagefab.toml", how)
            result = careful("list")
            assert (result.code, result.out) == (3, "")
            assert result.err.startswith(f"imagefab.toml: error: {problem}")


def test_the_record_of_a_check(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    """All else is shown."""
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(project / IMAGES / "checked.toml", how)
            result = careful("show", "aarch64-gnu", "--json")
            assert result.code == 0
            assert json.loads(result.out)["checked"] is None
            assert result.err.startswith(f"warning: {IMAGES}/checked.toml: {problem}")


def test_the_record_of_what_was_published(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(project / IMAGES / "published.toml", how)
            result = careful("cross-toml", "aarch64-gnu")
            assert (result.code, result.out) == (4, "")
            assert result.err.startswith(f"{IMAGES}/published.toml: error: {problem}")


@pytest.mark.parametrize(("name", "option"), [("Cross.toml", "--file"), (".cargo/config.toml", "--cargo-config")])
def test_the_files_of_cross_and_cargo(
    name: str, option: str, careful: RunImagefab, project: Path, subtests: pytest.Subtests
) -> None:
    publish(project, "aarch64-gnu")
    (project / ".cargo").mkdir()
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(project / name, how)
            result = careful("cross-toml", "aarch64-gnu", option, name)
            assert result.out == ""
            if how in ("circle", "below a file"):
                assert result.code == 5, "a link to nothing is filled, and this one leads nowhere"
            else:
                assert result.code == 3
                assert f"{name}: error: {problem}" in result.err


def test_a_dockerfile(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    path = project / IMAGES / "Dockerfile"
    good = path.read_bytes()
    for how in UNREADABLE:
        with subtests.test(how):
            put_unreadable(path, how)
            assert careful("render", "--check", "aarch64-gnu").code == 4
            result = careful("render", "aarch64-gnu")
            if how == "huge":
                assert (result.code, path.read_bytes()) == (0, good), "a file takes the place of a file"
            else:
                assert (result.code, result.out) == (5, "")
                assert {"folder": "Is a directory", "pipe": "a pipe is"}.get(how, "a link is") in result.err
                assert "hint: move away what is in its place" in result.err


def test_a_recipe(careful: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(project / "recipes" / "aarch64-gnu.toml", how)
            result = careful("list")
            assert (result.code, result.out) == (3, "")
            assert result.err.startswith(f"recipes/aarch64-gnu.toml: error: {problem}")
