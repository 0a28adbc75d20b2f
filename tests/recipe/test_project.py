"""Which project a folder is in, and what its settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

import imagefab
from imagefab.errors import ImagefabError, Position, RecipeError, SeveralErrors, UsageError
from imagefab.limits import Limits, describe_excess
from imagefab.recipe.project import Project, Settings, find_project, find_shipped_project, load_settings


def test_the_nearest_folder_upwards(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_project(inner).root == tmp_path
    (tmp_path / "a" / "imagefab.toml").write_text("")
    assert find_project(inner).root == tmp_path / "a"
    assert find_project(tmp_path).root == tmp_path


def test_the_shipped_recipes_serve_outside_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "imagefab"
    (package / "shipped" / "recipes").mkdir(parents=True)
    monkeypatch.setattr(imagefab, "__file__", str(package / "__init__.py"))
    project = find_project(tmp_path)
    assert project == Project(
        root=package / "shipped",
        recipes_dir=package / "shipped" / "recipes",
        images_dir=package / "shipped" / "images",
        shipped=True,
    )


def test_an_editable_install_ships_its_source_tree() -> None:
    project = find_shipped_project()
    assert project.shipped
    assert (project.bases_dir / "trixie.toml").exists()


def test_a_package_without_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagefab, "__file__", str(tmp_path / "x" / "imagefab" / "__init__.py"))
    with pytest.raises(UsageError):
        find_shipped_project()


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "imagefab.toml").write_text(
        """
        [mirrors]
        debian = "http://mirror.example/debian/"
        snapshot = ["http://a.example/archive", "https://b.example:8080/archive"]
        [publish]
        to = "ghcr.io/acme/images"
        [store]
        path = "store"
        """
    )
    assert find_project(tmp_path).settings == Settings(
        mirrors={
            "debian": ("http://mirror.example/debian",),
            "snapshot": ("http://a.example/archive", "https://b.example:8080/archive"),
        },
        publish_to="ghcr.io/acme/images",
        store=tmp_path / "store",
    )


def test_no_settings(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "imagefab.toml") == Settings()


def settings_errors(path: Path, text: str) -> tuple[ImagefabError, ...]:
    path.write_text(text)
    with pytest.raises(SeveralErrors) as caught:
        load_settings(path)
    assert caught.value.exit_code == 3
    return caught.value.errors


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("[miror]\n", 1, 2),
        ("[mirrors]\ndebian = 1\n", 2, 10),
        ("[mirrors]\ndebian = []\n", 2, 10),
        ("[mirrors]\ndebian = ['http://a.b', 'ftp://x']\n", 2, 25),
        ("[mirrors]\ndebian = 'http://u:p@x/'\n", 2, 10),
        ("[mirrors]\n'De bian' = 'http://x'\n", 2, 1),
        ("[mirrors]\ndebian = 'http://x/debian?x'\n", 2, 10),
        ("[mirrors]\ndebian = 'http://[::::]/debian'\n", 2, 10),
        ("[publish]\nto = 'https://ghcr.io/x'\n", 2, 6),
        ("[store]\npaht = 'x'\n", 2, 1),
        ("store = 'x'\n", 1, 9),
    ],
)
def test_bad_settings(text: str, line: int, column: int, tmp_path: Path) -> None:
    (error,) = settings_errors(tmp_path / "imagefab.toml", text)
    assert error.position == Position("imagefab.toml", line, column)


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "imagefab.toml").symlink_to("nowhere")
    with pytest.raises(RecipeError):
        load_settings(tmp_path / "imagefab.toml")


def test_settings_outside_of_the_project(tmp_path: Path) -> None:
    """A checkout may be a stranger's, and whoever reads it root."""
    (tmp_path / "elsewhere.toml").write_text("[limits]\ntime = 7\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/imagefab.toml").symlink_to("../elsewhere.toml")
    with pytest.raises(RecipeError, match="a link that leads out of the project"):
        load_settings(tmp_path / "project/imagefab.toml")
    (tmp_path / "imagefab.toml").symlink_to("elsewhere.toml")
    assert load_settings(tmp_path / "imagefab.toml").limits.time == 7


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "imagefab.toml"
    path.write_text("[limits]\nprocesses = 7\nmemory = 8\ndisk = 9\ntime = 10\n")
    expected = Limits(processes=7, memory=8_000_000, disk=9_000_000, time=10)
    assert load_settings(path).limits == expected
    assert [describe_excess(expected, kind) for kind in ("processes", "memory", "disk", "time")] == [
        "7 processes at once",
        "8 MB of memory",
        "9 MB of disk",
        "10 seconds",
    ]
    path.write_text("[limits]\nmemory = 8\n")
    assert load_settings(path).limits == Limits(memory=8_000_000)
    assert Settings().limits == Limits()
    assert Limits().memory > 0


@pytest.mark.parametrize("text", ["processes = 0", "memory = -1", 'disk = "1 GB"', "time = 1.5", "cpus = 2"])
def test_bad_limits(text: str, tmp_path: Path) -> None:
    path = tmp_path / "imagefab.toml"
    path.write_text(f"[limits]\n{text}\n")
    with pytest.raises(ImagefabError) as caught:
        load_settings(path)
    assert "imagefab.toml:2:" in str(caught.value)
