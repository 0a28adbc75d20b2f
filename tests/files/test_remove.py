"""Folders as a hostile step can leave them, removed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.files.remove import remove_tree

DEEP = 1500
"""More than Python calls itself."""


def make_deep(folder: Path, name: str) -> None:
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for number in range(DEEP):
        os.mkdir(name, dir_fd=here)
        if number % 100 == 0:
            os.mkdir("beside", dir_fd=here)
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", ["x", "x" * 255])
def test_folders_deeper_than_any_path(name: str, tmp_path: Path) -> None:
    make_deep(tmp_path / "top", name)
    before = count_descriptors()
    remove_tree(str(tmp_path / "top"))
    assert not list(tmp_path.iterdir())
    assert count_descriptors() == before


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    outside.chmod(0o755)
    top = tmp_path / "top"
    (top / "deeper").mkdir(parents=True)
    (top / "link").symlink_to(outside)
    (top / "deeper/link").symlink_to(outside / "kept")
    os.mkfifo(top / "pipe")
    remove_tree(str(top))
    assert (outside / "kept").is_dir()
    assert not top.exists()


def test_a_file_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remove_tree(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError):
        remove_tree(str(tmp_path / "file"))


AS_NOBODY = """
import os, sys
from imagefab.files.remove import remove_tree
os.setgid(65534)
os.setuid(65534)
os.makedirs(sys.argv[1] + "/closed/within/deeper")
open(sys.argv[1] + "/closed/within/file", "w").close()
for path in ("/closed/within/deeper", "/closed/within", "/closed", ""):
    os.chmod(sys.argv[1] + path, 0)
remove_tree(sys.argv[1])
"""


def test_folders_that_their_owner_may_not_enter() -> None:
    require(os.geteuid() == 0, "root")
    # Where another user gets to, as not to folders of pytest's.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        top = Path(folder) / "top"
        subprocess.run([sys.executable, "-c", AS_NOBODY, str(top)], check=True)
        assert not top.exists()


BUSY = """
import os, subprocess, sys
from imagefab.files.remove import remove_tree
subprocess.run(["mount", "-t", "tmpfs", "none", sys.argv[1] + "/one/busy"], check=True)
try:
    remove_tree(sys.argv[1])
except OSError as error:
    print(os.strerror(error.errno))
"""


def test_what_cannot_be_removed_is_said_and_the_rest_is_gone(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root")
    top = tmp_path / "top"
    for name in ("one/busy", "one/other", "two"):
        (top / name).mkdir(parents=True)
    command = ["unshare", "--mount", sys.executable, "-c", BUSY, str(top)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said == "Device or resource busy\n"
    assert [path.relative_to(top).as_posix() for path in sorted(top.rglob("*"))] == ["one", "one/busy"]
