"""`imagefab gc`: what it keeps for whom, and what it frees."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.cli.broken_locks import BROKEN, break_lock, lock_of
from tests.cli.conftest import NAMES, RunImagefab
from tests.engines.fake_engine import FakeEngine

from imagefab.files.disk import StoreError
from imagefab.flows.collect import list_kept
from imagefab.flows.notes import remember_project
from imagefab.recipe.project import open_project
from imagefab.store.collect import Kept
from imagefab.store.store import Store


@pytest.fixture
def other(project: Path, tmp_path: Path) -> Path:
    """Another project of the same user, with a recipe that the first one does not have any more."""
    root = tmp_path / "other"
    shutil.copytree(project, root)
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    for name in NAMES:
        if name != "riscv64gc-gnu":
            (root / "recipes" / f"{name}.toml").unlink()
    return root


def test_gc_keeps_what_locks_name(imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path) -> None:
    imagefab("build", "aarch64-gnu", "riscv64gc-gnu")
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    before = sum(1 for _ in (tmp_path / "store" / "blobs").rglob("*"))
    said = imagefab("gc", "--dry-run")
    assert "\nwould free " in said.err
    result = imagefab("gc")
    assert (result.code, result.out) == (0, "")
    assert result.err == said.err.replace("would free", "freed")
    assert sum(1 for _ in (tmp_path / "store" / "blobs").rglob("*")) < before
    count = len(engine.built)
    assert imagefab("build", "aarch64-gnu").code == 0
    assert len(engine.built) == count


def test_gc_keeps_what_locks_of_other_projects_name(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine
) -> None:
    imagefab("build", "aarch64-gnu")
    imagefab("-C", str(other), "build", "--all")
    count = len(engine.built)
    result = imagefab("gc")
    assert result.err.splitlines()[0] == f"kept what these projects need: {project}, {other}"
    assert "freed 0 B" in result.err
    assert imagefab("-C", str(other), "build", "--all").code == 0
    assert imagefab("build", "aarch64-gnu").code == 0
    assert len(engine.built) == count


def test_gc_counts_a_project_that_built_nothing_itself(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    """Its images were there already, from another project; they are its own as well."""
    third = tmp_path / "third"
    shutil.copytree(other, third)
    imagefab("-C", str(third), "build", "--all")
    count = len(engine.built)
    imagefab("-C", str(other), "build", "--all")
    assert len(engine.built) == count
    shutil.rmtree(third)
    assert f"{other}; no longer there: {third}" in imagefab("gc").err
    imagefab("-C", str(other), "build", "--all")
    assert len(engine.built) == count


@pytest.mark.parametrize("how", ["removed", "no project"])
def test_gc_forgets_projects_that_are_gone(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path, how: str
) -> None:
    imagefab("-C", str(other), "build", "--all")
    notes = tmp_path / "store" / "projects"
    assert [json.loads(note.read_text()) for note in notes.iterdir()] == [str(other)]
    shutil.rmtree(other if how == "removed" else other / "recipes")
    said = imagefab("gc", "--dry-run")
    assert said.err.splitlines()[0] == f"kept what these projects need: {project}; no longer there: {other}"
    assert len(list(notes.iterdir())) == 1
    result = imagefab("gc")
    assert result.err == said.err.replace("would free", "freed")
    assert "freed 0 B" not in result.err
    assert not list(notes.iterdir())
    assert "gone" not in imagefab("gc").err


@pytest.mark.parametrize("how", BROKEN)
def test_gc_of_a_project_with_a_broken_lock(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path, how: str
) -> None:
    """A lock that is only stale still names packages. What can't be read may name anything, so everything stays."""
    imagefab("-C", str(other), "build", "--all")
    name = "riscv64gc-gnu"
    (package,) = re.findall(r'"g\+\+-riscv64-linux-gnu .* (\w{64})"', lock_of(other, name).read_text())[:1]
    path = tmp_path / "store" / "blobs" / "sha256" / package[:2] / package
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    break_lock(other, how, name)
    before = {path.name for path in (tmp_path / "store" / "blobs").rglob("*")}
    result = imagefab("gc")
    after = {path.name for path in (tmp_path / "store" / "blobs").rglob("*")}
    if how in ("stale", "missing"):
        assert result.code == 0
        assert after < before
        assert path.exists() == (how == "stale")
        assert (f"warning: {other}: the lock of {name} is stale" in result.err) == (how == "stale")
    else:
        assert (result.code, after) == (4, before)
        assert str(other) in result.err
        assert "nothing is removed" in result.err


def test_gc_with_a_project_that_cannot_be_read(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    imagefab("-C", str(other), "build", "--all")
    other.rename(tmp_path / "away")
    other.symlink_to(other)
    before = sorted((tmp_path / "store" / "blobs").rglob("*"))
    result = imagefab("gc")
    assert result.code == 4
    assert f"can't find out what the project {other} needs of this store: Too many levels" in result.err
    assert sorted((tmp_path / "store" / "blobs").rglob("*")) == before


def test_gc_has_the_store_alone_before_it_looks(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagefab("build", "aarch64-gnu")
    looked = []

    def look(prepared: object, store: Store) -> Kept:
        with pytest.raises(StoreError, match="in use"), Store(store.root).alone():
            pass
        looked.append(store.root)
        return list_kept(prepared, store)  # type: ignore[arg-type]

    monkeypatch.setattr("imagefab.flows.collect.list_kept", look)
    assert imagefab("gc").code == 0
    assert looked


def test_gc_fails_while_the_store_is_in_use(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    imagefab("build", "riscv64gc-gnu")
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    before = sorted((tmp_path / "store" / "blobs").rglob("*"))
    worker = Store(tmp_path / "store")
    remember_project(worker, open_project(project))
    result = imagefab("gc")
    assert (result.code, result.out) == (5, "")
    assert "in use" in result.err
    assert sorted((tmp_path / "store" / "blobs").rglob("*")) == before
    worker.close()
    assert imagefab("gc").code == 0
