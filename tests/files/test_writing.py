"""Files on disk: whole or as they were, over nothing but files, and with words for what a disk can say."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.files.disk import (
    OUTPUT,
    PROJECT,
    STORE,
    DiskError,
    Remedy,
    StoreError,
    explain_disk_errors,
    write_atomic,
    write_new,
)


def test_atomic_files_are_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="broken"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_files_have_the_mode_that_is_asked_for(tmp_path: Path) -> None:
    write_atomic(tmp_path / "x", b"", 0o600)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["link", "pipe", "socket", "device"])
def test_atomic_files_replace_nothing_but_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    if kind == "link":
        path.symlink_to("target")
        (tmp_path / "target").write_bytes(b"old")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        require(os.geteuid() == 0, "root")
        os.mknod(path, stat.S_IFCHR | 0o666, Path("/dev/null").stat().st_rdev)
    before = path.lstat()
    with pytest.raises(DiskError, match=f"a {kind} is in its place") as caught:
        write_atomic(path, b"new")
    assert caught.value.hint
    assert path.lstat() == before
    assert kind != "link" or path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_no_link_leads_a_write_out_of_a_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    outside.mkdir()
    (project / "inside").mkdir(parents=True)
    (project / "out").symlink_to(outside)
    (project / "in").symlink_to("inside")
    (project / "circle").symlink_to("circle")
    for write in (
        lambda path: write_atomic(path, b"new", within=project),
        lambda path: write_new(path, b"new", within=project),
    ):
        for folder in ("out", "out/below"):
            with pytest.raises(DiskError, match="a link leads out of"):
                write(project / folder / "file")
        with pytest.raises(DiskError, match="can't use"):
            write(project / "circle" / "file")
        (project / "inside" / "file").unlink(missing_ok=True)
        write(project / "in" / "file")
        assert (project / "inside" / "file").read_bytes() == b"new"
    assert [*outside.iterdir()] == []


def test_new_files_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "file"
    assert write_new(path, b"old", within=tmp_path)
    assert not write_new(path, b"new", within=tmp_path)
    assert path.read_bytes() == b"old"
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    assert not write_new(link, b"new", within=tmp_path)
    assert not (tmp_path / "nowhere").exists()
    with limit_files(10), pytest.raises(DiskError):
        write_new(tmp_path / "large", b"x" * 100_000, within=tmp_path)
    assert not (tmp_path / "large").exists()


@contextlib.contextmanager
def limit_files(size: int) -> Iterator[None]:
    """No file gets larger than that: what comes after it fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[0][1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "disk is full"),
        (errno.EROFS, "can't write"),
        (errno.EACCES, "can't write"),
        (errno.ENOTDIR, "can't use"),
    ],
)
def test_disk_errors_are_explained(number: int, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught, explain_disk_errors(Path("/x"), STORE):
        raise OSError(number, "text")
    assert caught.value.hint
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("remedy", [PROJECT, OUTPUT])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.ENOTDIR])
def test_hints_fit_what_is_written(number: int, remedy: Remedy) -> None:
    """Another store does not help where a lock or a layout can't be written."""
    with pytest.raises(DiskError) as caught, explain_disk_errors(Path("/x"), remedy):
        raise OSError(number, "text")
    assert not isinstance(caught.value, StoreError)
    assert caught.value.exit_code == 5
    assert caught.value.hint
    assert not {"store", "gc", "--store"} & set(caught.value.hint.replace("`", " ").split())


def test_other_errors_are_not_explained_away() -> None:
    with pytest.raises(FileNotFoundError), explain_disk_errors(Path("/x")):
        raise FileNotFoundError
