"""The revision of a project, and what git reports as changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagefab.ci.revision import list_changed
from imagefab.errors import UsageError


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UsageError, match=r"git rev-parse: .*not a git repository"):
        list_changed(tmp_path, "HEAD")


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="not installed"):
        list_changed(tmp_path, "HEAD")
