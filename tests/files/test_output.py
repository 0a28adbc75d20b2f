"""Texts for which the user names a file: whole in a file's place, through what is no file, and over nothing else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.errors import UsageError
from imagefab.files.disk import DiskError
from imagefab.files.output import check_output, write_output

TEXT = b"a text\n"


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    for path in (tmp_path / "new", tmp_path / "old"):
        (tmp_path / "old").write_text("a longer text than the new one\n")
        check_output(path, "a report")
        write_output(path, TEXT)
        assert path.read_bytes() == TEXT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


def test_a_device_stays_one(tmp_path: Path) -> None:
    """A node of its own, of the same device: what breaks it breaks no machine."""
    require(os.geteuid() == 0, "root")
    path = tmp_path / "null"
    os.mknod(path, stat.S_IFCHR | 0o666, Path("/dev/null").stat().st_rdev)
    check_output(path, "a report")
    write_output(path, TEXT)
    assert stat.S_ISCHR(path.lstat().st_mode)
    assert path.lstat().st_rdev == Path("/dev/null").stat().st_rdev
    assert [one.name for one in tmp_path.iterdir()] == ["null"]


@pytest.mark.timeout(20)
def test_a_pipe_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    check_output(path, "a report")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_output(path, TEXT)
    reader.join()
    assert read == [TEXT]
    assert stat.S_ISFIFO(path.lstat().st_mode)


@pytest.mark.parametrize("name", ["/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_goes_on_after_it(name: str, tmp_path: Path) -> None:
    """As a pipe and as a file. Not by /dev/stdout, which a fault would replace for the whole machine."""
    script = (
        "import os, pathlib; from imagefab.files.output import *; path = pathlib.Path(os.sys.argv[1])\n"
        "check_output(path, 'a report'); write_output(path, b'a text\\n'); os.write(1, b'and more\\n')"
    )
    words = [sys.executable, "-c", script, name]
    piped = subprocess.run(words, capture_output=True, check=True)
    assert piped.stdout == TEXT + b"and more\n"
    with (tmp_path / "file").open("wb") as file:
        subprocess.run(words, stdout=file, check=True)
    assert (tmp_path / "file").read_bytes() == TEXT + b"and more\n"


def test_what_is_in_the_way_is_said_and_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "null").symlink_to("/dev/null")
    for name, what in (("folder", "a folder"), ("link", "a link"), ("dangling", "a link"), ("null", "a link")):
        with pytest.raises(UsageError, match=f"{what} is in its place"):
            check_output(tmp_path / name, "a report")
        with pytest.raises(DiskError, match="Is a directory" if name == "folder" else f"{what} is in its place"):
            write_output(tmp_path / name, TEXT)
    assert (tmp_path / "link").readlink() == Path("target")
    assert (tmp_path / "target").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["no/such/file", "x" * 300, "/proc/self/cwd", "/dev", "/proc/x"])
def test_places_for_no_text(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't write a report to"):
        check_output(tmp_path / name, "a report")
