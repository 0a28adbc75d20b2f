"""The file of a lock: reading and writing it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import ImagefabError, StaleError
from imagefab.files.disk import DiskError
from imagefab.lock.file import find_lock, read_lock, write_lock
from imagefab.lock.model import Lock, LockFile

LOCK = Lock(recipe="r", inputs=Digest("ab" * 32), epoch=1, archives=(), sources=(), platforms=())
FILE = LockFile(own=LOCK)


def test_a_lock_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "images" / "r" / "imagefab.lock"
    assert write_lock(path, FILE)
    assert read_lock(path, recipe="r") == LOCK
    assert [entry.name for entry in path.parent.iterdir()] == ["imagefab.lock"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_equal_lock_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "imagefab.lock"
    write_lock(path, FILE)
    os.utime(path, (1, 1))
    assert not write_lock(path, FILE)
    assert path.stat().st_mtime == 1
    path.write_bytes(path.read_bytes() + b"\n")
    assert write_lock(path, FILE)


def test_there_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "imagefab.lock"
    assert find_lock(path) is None
    with pytest.raises(StaleError, match="r is not locked yet: there is no images/r") as caught:
        read_lock(path, recipe="r", shown="images/r")
    assert caught.value.hint == "run `imagefab lock r`"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "imagefab.lock"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StaleError):
        find_lock(path)


def test_a_failed_write_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "imagefab.lock"
    write_lock(path, FILE)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ImagefabError, match="the disk is full"):
        write_lock(path, LockFile(own=replace(LOCK, recipe="s")))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_lock_that_cannot_be_written_is_no_matter_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("")
    with pytest.raises(DiskError) as caught:
        write_lock(tmp_path / "images" / "r" / "imagefab.lock", FILE)
    assert "store" not in f"{caught.value.problem} {caught.value.hint}"
    assert caught.value.hint
