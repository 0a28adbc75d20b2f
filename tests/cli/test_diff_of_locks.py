"""`imagefab diff` of locks: files, and those of git revisions, with the bases that they stand on."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json

from imagefab.debian.pin import PackagePin
from imagefab.lock.file import find_lock_file, make_base, write_lock
from imagefab.lock.model import LockFile

LOCK, TRIXIE, DEBIAN = (
    f"images/{name}/imagefab.lock" for name in ("aarch64-gnu", "bases/trixie", "bases/debian-trixie")
)


def git(folder: Path, *arguments: str) -> None:
    options = ["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


def change(file: LockFile, name: str) -> LockFile:
    """The lock with another version of a package."""

    def move(pin: PackagePin) -> PackagePin:
        return replace(pin, version=f"{pin.version}+x", path=f"pool/{pin.name}.deb") if pin.name == name else pin

    platforms = tuple(
        replace(one, layers=tuple(replace(each, packages=tuple(map(move, each.packages))) for each in one.layers))
        for one in file.own.platforms
    )
    return replace(file, own=replace(file.own, platforms=platforms))


@pytest.fixture
def moved(small_project: Path) -> Path:
    """A repository in which the root base has another `apt`, and what stands on it follows, uncommitted."""
    git(small_project, "init", "--quiet")
    git(small_project, "add", ".")
    git(small_project, "commit", "--quiet", "--message", "first")
    debian, trixie, own = (find_lock_file(small_project / path) for path in (DEBIAN, TRIXIE, LOCK))
    assert debian is not None and trixie is not None and own is not None
    debian = change(debian, "apt")
    below = make_base("debian-trixie", debian, None)
    trixie = replace(trixie, base=below.pin)
    own = replace(own, base=make_base("trixie", trixie, below).pin)
    for path, file in ((DEBIAN, debian), (TRIXIE, trixie), (LOCK, own)):
        assert write_lock(small_project / path, file)
    return small_project


def names(run: RunImagefab, one: str, other: str) -> set[str]:
    return {package["name"] for package in read_json(run("diff", one, other, "--json"))["packages"]}


def test_a_revision_and_the_file(imagefab: RunImagefab, moved: Path) -> None:
    assert names(imagefab, f"HEAD:{LOCK}", LOCK) == {"apt"}
    assert names(imagefab, f"HEAD:{DEBIAN}", DEBIAN) == {"apt"}
    assert names(imagefab, f"HEAD:{LOCK}", f"HEAD:{LOCK}") == set()
    assert "apt:amd64" in imagefab("diff", f"HEAD:{LOCK}", "aarch64-gnu").out


def test_a_lock_without_its_base(imagefab: RunImagefab, moved: Path, tmp_path: Path) -> None:
    away = tmp_path / "old" / "imagefab.lock"
    away.parent.mkdir()
    shutil.copy(moved / LOCK, away)
    result = imagefab("diff", str(away), LOCK)
    assert result.code == 0
    assert "have the same packages" in result.out
    assert f"of {away} only its own packages are compared" in result.err


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (f"nothing:{LOCK}", "there is no git revision 'nothing' here"),
        ("HEAD:images/nothing/imagefab.lock", "there is no images/nothing/imagefab.lock at HEAD"),
        ("HEAD:../imagefab.lock", "is outside repository"),
    ],
)
def test_what_is_not_there(what: str, told: str, imagefab: RunImagefab, moved: Path) -> None:
    result = imagefab("diff", what, LOCK)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
