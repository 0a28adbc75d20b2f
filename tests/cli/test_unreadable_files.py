"""Every file of a project that is read can be something else than a file: that is said, and ends as it should."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Result, RunImagefab
from tests.unreadable import UNREADABLE, little_memory, put_unreadable

pytestmark = [pytest.mark.timeout(30), pytest.mark.parametrize("how", UNREADABLE)]

IMAGES = "images/aarch64-gnu"


@pytest.fixture
def careful(imagefab: RunImagefab) -> RunImagefab:
    def run(*arguments: str) -> Result:
        with little_memory():
            return imagefab(*arguments)

    return run


@pytest.mark.parametrize("verb", ["show", "build", "render", "check"])
def test_the_lock(careful: RunImagefab, project: Path, verb: str, how: str) -> None:
    problem = put_unreadable(project / IMAGES / "imagefab.lock", how)
    result = careful(verb, "aarch64-gnu")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith(f"error: {IMAGES}/imagefab.lock: {problem}")
    assert "hint: mend or remove it, then run `imagefab lock aarch64-gnu`" in result.err


def test_a_lock_among_others(careful: RunImagefab, project: Path, how: str) -> None:
    put_unreadable(project / IMAGES / "imagefab.lock", how)
    rows = {row["recipe"]: row["lock"] for row in json.loads(careful("list", "--json").out)["recipes"]}
    assert rows["x86_64-gnu"] == "locked"
    assert rows["aarch64-gnu"] != "locked"


def test_the_settings(careful: RunImagefab, project: Path, how: str) -> None:
    problem = put_unreadable(project / "imagefab.toml", how)
    result = careful("list")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"imagefab.toml: error: {problem}")


def test_the_settings_and_nothing_more(careful: RunImagefab, nowhere: Path, how: str) -> None:
    """It is this project's settings that can't be read; the shipped recipes are no answer to that."""
    problem = put_unreadable(nowhere / "imagefab.toml", how)
    result = careful("list")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"imagefab.toml: error: {problem}")


def test_what_was_checked(careful: RunImagefab, project: Path, how: str) -> None:
    """Which is no reason to show nothing."""
    problem = put_unreadable(project / IMAGES / "checked.toml", how)
    result = careful("show", "aarch64-gnu", "--json")
    assert result.code == 0
    assert json.loads(result.out)["checked"] is None
    assert result.err.startswith(f"warning: {IMAGES}/checked.toml: {problem}")


def test_what_was_published(careful: RunImagefab, project: Path, how: str) -> None:
    problem = put_unreadable(project / IMAGES / "published.toml", how)
    result = careful("cross-toml", "aarch64-gnu")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith(f"{IMAGES}/published.toml: error: {problem}")


@pytest.mark.parametrize("name", ["Cross.toml", ".cargo/config.toml"])
def test_the_files_of_others(careful: RunImagefab, project: Path, name: str, how: str) -> None:
    (project / ".cargo").mkdir()
    problem = put_unreadable(project / name, how)
    options = ["--file", name] if name == "Cross.toml" else ["--cargo-config", name]
    (project / IMAGES / "published.toml").write_text(
        f'name = "registry.example/aarch64-gnu"\ndigest = "sha256:{"0" * 64}"\nplatforms = ["linux/amd64"]\n'
    )
    result = careful("cross-toml", "aarch64-gnu", *options)
    assert result.out == ""
    if how in ("circle", "below a file"):
        assert result.code == 5, "a link to nothing is filled, and this one leads nowhere"
    else:
        assert result.code == 3
        assert f"{name}: error: {problem}" in result.err


def test_the_dockerfile(careful: RunImagefab, project: Path, how: str) -> None:
    path = project / IMAGES / "Dockerfile"
    good = path.read_bytes()
    put_unreadable(path, how)
    assert careful("render", "--check", "aarch64-gnu").code == 4
    result = careful("render", "aarch64-gnu")
    if how == "folder":
        assert (result.code, "Is a directory" in result.err) == (5, True)
    else:
        assert (result.code, path.read_bytes()) == (0, good)
        assert not path.is_symlink()


def test_a_recipe(careful: RunImagefab, project: Path, how: str) -> None:
    problem = put_unreadable(project / "recipes" / "aarch64-gnu.toml", how)
    result = careful("list")
    assert (result.code, result.out) == (3, "")
    assert result.err.startswith(f"recipes/aarch64-gnu.toml: error: {problem}")
