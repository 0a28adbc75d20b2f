"""Fake programs of engines: shell scripts on a PATH that has no real engine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

PutProgram = Callable[[str, str], Path]


def make_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> PutProgram:
    """A PATH with a shell, and what is put there."""
    folder.mkdir()
    for name in ("sh", "env", "cat", "sleep", "rm", "touch"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(os.path.realpath(found))
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return put
