"""`imagefab lock` and `imagefab render`, and how verbs fail when a lock is broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.broken_locks import BROKEN, break_lock, edit, lock_of
from tests.cli.conftest import NAMES, RunImagefab, read_json

from imagefab.errors import PackageError, SeveralErrors


@pytest.mark.parametrize("how", BROKEN)
def test_verbs_that_need_a_good_lock(imagefab: RunImagefab, project: Path, how: str, subtests: pytest.Subtests) -> None:
    break_lock(project, how)
    for verb in (["render", "--check"], ["build"], ["show"], ["lock", "--check"], ["run"]):
        with subtests.test(" ".join(verb)):
            result = imagefab(*verb, "aarch64-gnu", *(["--", "true"] if verb == ["run"] else []))
            assert (result.code, result.out) == (4, "")
            assert result.err.startswith("error: ")
            assert "images/aarch64-gnu/imagefab.lock" in result.err
            assert "imagefab lock" in result.err.partition("hint: ")[2]


def test_locks_of_other_recipes_do_not_count(imagefab: RunImagefab, project: Path) -> None:
    break_lock(project, "missing")
    assert imagefab("render", "--check", "x86_64-gnu").code == 0
    assert imagefab("render", "--check").code == 4


def test_lock_check(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("lock", "--check")
    assert (result.code, result.out, result.err) == (0, "", "")
    break_lock(project, "stale")
    result = imagefab("lock", "--check", "--json")
    assert result.code == 4
    assert {lock["recipe"]: lock["stale"] for lock in read_json(result)["locks"]} == {
        name: name == "aarch64-gnu" for name in NAMES
    }


def test_missing_packages_are_reported_with_their_position(
    imagefab: RunImagefab, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project / "recipes" / "aarch64-gnu.toml", "kind =", 'packages.host = ["no-such", "nor-this"]\nkind =')

    def fail(*_: object, **__: object) -> None:
        first = PackageError("there is no package no-such", package="no-such", hint="did you mean `such`?")
        raise SeveralErrors([first, PackageError("nor this", package="nor-this")])

    monkeypatch.setattr("imagefab.flows.locking.make_lock", fail)
    result = imagefab("lock", "aarch64-gnu")
    assert result.code == 3
    assert "recipes/aarch64-gnu.toml:4:18: error: there is no package no-such\n\nhint: did you mean" in result.err
    assert "recipes/aarch64-gnu.toml:4:29: error: nor this" in result.err


def test_render(imagefab: RunImagefab, project: Path) -> None:
    path = project / "images" / "aarch64-gnu" / "Dockerfile"
    committed = path.read_bytes()
    assert imagefab("render", "--check").code == 0
    path.write_bytes(committed + b"RUN id\n")
    result = imagefab("render", "--check")
    assert (result.code, result.out) == (4, "")
    assert "aarch64-gnu" in result.err
    assert "x86_64" not in result.err
    assert "hint: run `imagefab render aarch64-gnu`" in result.err
    assert path.read_bytes() != committed, "--check writes nothing"
    result = imagefab("render")
    assert (result.code, result.out, result.err) == (0, "", "images/aarch64-gnu/Dockerfile written\n")
    assert path.read_bytes() == committed
    path.unlink()
    assert imagefab("render", "--check").code == 4
    assert imagefab("-q", "render").err == ""
    assert path.read_bytes() == committed


def test_a_dockerfile_that_cannot_be_written(imagefab: RunImagefab, project: Path) -> None:
    """Nothing about stores: another one would not help."""
    path = lock_of(project).with_name("Dockerfile")
    path.unlink()
    path.mkdir()
    result = imagefab("render", "aarch64-gnu")
    assert result.code == 5
    assert "Dockerfile: Is a directory" in result.err
    assert "hint: move away" in result.err
    assert "store" not in result.err
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(".")] == []


def test_what_is_in_a_files_place_stays(
    imagefab: RunImagefab, project: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """A checkout may be a stranger's: links in it lead anywhere."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "Dockerfile").write_text("mine")
    path = lock_of(project).with_name("Dockerfile")
    path.unlink()
    path.symlink_to(mine / "Dockerfile")
    with subtests.test("a link in the file's place"):
        result = imagefab("render", "aarch64-gnu")
        assert (result.code, result.out) == (5, "")
        assert "a link is in its place" in result.err
        assert path.is_symlink()
    with subtests.test("a link in the folder's place"):
        shutil.copy(lock_of(project), mine / "imagefab.lock")
        shutil.rmtree(path.parent)
        path.parent.symlink_to(mine)
        result = imagefab("render", "aarch64-gnu")
        assert (result.code, result.out) == (5, "")
        assert "a link leads out of" in result.err
    assert (mine / "Dockerfile").read_text() == "mine"


def test_the_shipped_project_is_not_written_to(imagefab: RunImagefab, nowhere: Path, subtests: pytest.Subtests) -> None:
    new = ["new", "x", "--target", "aarch64-unknown-linux-gnu", "--kind", "gcc"]
    for verb in (["lock"], ["render"], ["lock", "--check"], ["render", "--check"], new):
        with subtests.test(" ".join(verb)):
            result = imagefab(*verb)
            assert (result.code, result.out) == (2, "")
            assert "no project here" in result.err


def test_new(imagefab: RunImagefab, project: Path) -> None:
    words = ["new", "mine", "--target", "aarch64-unknown-linux-gnu", "--kind", "gcc"]
    assert imagefab(*words).code == 0
    assert "mine" in imagefab("list").out
    assert imagefab(*words).code == 2
    result = imagefab("new", "bases", *words[2:])
    assert result.code == 2 and "can't be called `bases`" in result.err
