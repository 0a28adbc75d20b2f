"""The revision of a project, and what git reports as changed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagefab.ci.revision import has_tracked, list_changed, read_at
from imagefab.errors import UsageError


def git(folder: Path, *words: str) -> str:
    options = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *options, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository"):
        list_changed(tmp_path, "HEAD")
    assert not has_tracked(tmp_path, tmp_path / "x")


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="not installed"):
        list_changed(tmp_path, "HEAD")


def test_a_commit_brings_no_repository_of_its_own(tmp_path: Path) -> None:
    """Files that look like a bare repository, in the folder of a project, with a program for git to run."""
    outer, inner = tmp_path / "outer", tmp_path / "outer/images"
    inner.mkdir(parents=True)
    (inner / "imagefab.toml").write_text("mine")
    git(outer, "init", "--quiet")
    git(outer, "add", ".")
    git(outer, "commit", "--quiet", "--message", "first")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "imagefab.toml").write_text("a stranger's")
    git(stranger, "init", "--quiet")
    git(stranger, "add", ".")
    git(stranger, "commit", "--quiet", "--message", "theirs")
    for path in (stranger / ".git").iterdir():
        path.rename(inner / path.name)
    ran = tmp_path / "ran"
    (inner / "config").write_text(f'[core]\nbare = false\nworktree = .\nfsmonitor = "touch {ran}; false"\n')
    git(outer, "add", "--force", ".")
    git(outer, "commit", "--quiet", "--message", "second")
    ran.unlink(missing_ok=True)
    assert inner / "config" in list_changed(inner, "HEAD^")
    assert read_at(inner, "HEAD^", ["imagefab.toml"], most=100) == {"imagefab.toml": b"mine"}
    assert has_tracked(outer, inner / "objects")
    assert not ran.exists()
