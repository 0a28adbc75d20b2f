"""Files of the user: what cannot be read or written is reported, and no file is half-written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.cross.file import locate, read_user_file, write_user_file
from imagefab.errors import ImagefabError

TEXT = '\ufeff# hello\r\n[target.a]\r\nimage = "x"\r\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Cross.toml"
    path.write_bytes(TEXT.encode())
    return path


def test_a_text_is_read_as_it_is(file: Path) -> None:
    read = read_user_file(file)
    assert (read.text, read.exists, read.data) == (TEXT, True, {"target": {"a": {"image": "x"}}})
    assert str(locate(read, ("target", "a", "image"))) == f"{file}:3:9"
    assert str(locate(read, ("target", "a", "image"), on_key=True)) == f"{file}:3:1"
    assert str(locate(read, ("target", "b"))) == f"{file}:2:2"
    assert str(locate(read, ("build",))) == str(file)


def test_a_missing_file_is_an_empty_text(tmp_path: Path) -> None:
    read = read_user_file(tmp_path / "Cross.toml")
    assert (read.text, read.data, read.exists) == ("", {}, False)
    write_user_file(read, "x = 1\n")
    assert (tmp_path / "Cross.toml").read_text() == "x = 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["Cross.toml"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[target.a\n", "Cross.toml:1:"),
        (b"x = 1\nx = 2\n", "Cross.toml:2:1: `x` is given twice"),
        (b"\xff\n", "Cross.toml:1:1: this is not UTF-8 text"),
        (b"x = 1\n" * 200_000, "Cross.toml: this file is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_not_toml(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ImagefabError) as caught:
        read_user_file(file)
    assert problem in str(caught.value)
    assert caught.value.exit_code == 3


def test_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for name in ("folder", "pipe", "file/x", "x" * 300):
        with pytest.raises(ImagefabError) as caught:
            read_user_file(tmp_path / name)
        assert caught.value.exit_code == 3


def test_mode_and_links_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)
    link = tmp_path / "link.toml"
    link.symlink_to("Cross.toml")
    written = write_user_file(read_user_file(link), "# new\n")
    assert link.is_symlink()
    assert file.read_text() == "# new\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (written.text, written.data) == ("# new\n", {})


def test_a_link_to_nothing_is_filled(tmp_path: Path) -> None:
    link = tmp_path / "Cross.toml"
    link.symlink_to("real.toml")
    write_user_file(read_user_file(link), "# new\n")
    assert link.is_symlink()
    assert (tmp_path / "real.toml").read_text() == "# new\n"


def test_a_link_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "Cross.toml"
    link.symlink_to("Cross.toml")
    with pytest.raises(ImagefabError) as caught:
        write_user_file(read_user_file(link), "# new\n")
    assert caught.value.exit_code == 5
    assert link.is_symlink()


def test_the_owner_stays(file: Path) -> None:
    require(os.geteuid() == 0, "root")
    os.chown(file, 1234, 4321)
    write_user_file(read_user_file(file), "# new\n")
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


@pytest.mark.parametrize("broken", ["open", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28 if broken == "replace" else 13, "no")

    read = read_user_file(file)
    target = "tempfile.mkstemp" if broken == "open" else f"os.{broken}"
    with monkeypatch.context() as patch:
        patch.setattr(target, fail)
        with pytest.raises(ImagefabError) as caught:
            write_user_file(read, "# new\n")
    assert str(file) in caught.value.problem
    assert caught.value.hint
    assert "--store" not in caught.value.hint
    assert caught.value.exit_code == 5
    assert file.read_bytes() == TEXT.encode()
    assert [path.name for path in file.parent.iterdir()] == ["Cross.toml"]


def test_a_file_without_permission(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_user_file(file)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ImagefabError, match="is not writable"):
        write_user_file(read, "# new\n")
    assert file.read_bytes() == TEXT.encode()


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(ImagefabError) as caught:
        write_user_file(read_user_file(tmp_path / "no" / "such" / "Cross.toml"), "")
    assert caught.value.exit_code == 5
    write_user_file(read_user_file(tmp_path / ".cargo" / "config.toml"), "# new\n")
    assert (tmp_path / ".cargo" / "config.toml").exists()
