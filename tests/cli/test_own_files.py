"""Files that a recipe names: of the project, or named by whoever runs imagefab, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab

SOURCE = """
[[sources]]
name = "x"
file = "{}"

[[run]]
name = "take it"
script = "cp $SOURCES/x /x"
sources = ["x"]
"""


@pytest.fixture
def secret(small_project: Path, tmp_path: Path) -> Path:
    """Outside of the project, whose recipe names it by its whole path."""
    path = tmp_path / "elsewhere" / "secret"
    path.parent.mkdir()
    path.write_text("secret")
    recipe = small_project / "recipes" / "aarch64-gnu.toml"
    recipe.write_text(recipe.read_text() + SOURCE.format(path))
    return path


def test_a_file_outside_is_refused_at_its_place(imagefab: RunImagefab, small_project: Path, secret: Path) -> None:
    result = imagefab("--offline", "lock", "aarch64-gnu")
    assert (result.code, result.out) == (3, "")
    line = (small_project / "recipes/aarch64-gnu.toml").read_text().splitlines().index(f'file = "{secret}"') + 1
    assert result.err.startswith(f"recipes/aarch64-gnu.toml:{line}:8: error: {secret} is outside of the project\n")
    assert f"--allow-file {secret}" in result.err


def test_the_command_line_allows_it(imagefab: RunImagefab, secret: Path) -> None:
    for allowed in (str(secret), str(secret.parent), "../elsewhere"):
        result = imagefab("--offline", "lock", "--allow-file", allowed, "aarch64-gnu")
        assert result.code == 6, "it is taken, and the archive's indexes are not there"
        assert "outside" not in result.err


@pytest.mark.parametrize("form", ["{}", "~/elsewhere"])
def test_ones_own_settings_allow_it(
    imagefab: RunImagefab, secret: Path, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = tmp_path / "config" / "imagefab" / "imagefab.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[files]\nallow = ["{form.format(secret)}"]\n')
    assert imagefab("--offline", "lock", "aarch64-gnu").code == 6
    settings.write_text('[files]\nallow = ["elsewhere"]\n')
    result = imagefab("--offline", "lock", "aarch64-gnu")
    assert result.code == 3
    assert f"{settings}:2:10: error: `elsewhere` is not an absolute path" in result.err


def test_a_project_does_not_allow_it(imagefab: RunImagefab, small_project: Path, secret: Path) -> None:
    """Its settings are in the pull request, too."""
    (small_project / "imagefab.toml").write_text(f'[files]\nallow = ["{secret}"]\n')
    result = imagefab("--offline", "lock", "aarch64-gnu")
    assert result.code == 3
    assert "imagefab.toml:1:2: error: `files` can't be set by a project" in result.err
    assert "~/.config/imagefab/imagefab.toml" in result.err
