"""Reading files: nothing that is in a file's place makes a reader wait, or fills the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unreadable import UNREADABLE, limit_memory, put_unreadable

from imagefab.files.plain import BadFileError, NoFileError, has_bytes, read_bytes, read_text


@pytest.mark.timeout(60)
def test_what_cannot_be_read_is_refused(tmp_path: Path, subtests: pytest.Subtests) -> None:
    path = tmp_path / "file"
    for how in UNREADABLE:
        with subtests.test(how):
            problem = put_unreadable(path, how)
            with limit_memory(), pytest.raises(BadFileError) as caught:
                read_bytes(path)
            assert not isinstance(caught.value, NoFileError)
            assert caught.value.problem.startswith(problem)
            assert not has_bytes(path, b"")


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    for name, problem in (("nothing", "there is no such file"), ("link", "this is a broken link")):
        with pytest.raises(NoFileError, match=problem):
            read_bytes(tmp_path / name)
        assert not has_bytes(tmp_path / name, b"")


def test_a_file_of_just_the_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert read_bytes(path, 100) == b"x" * 100
    with pytest.raises(BadFileError, match="larger"):
        read_bytes(path, 99)
    assert has_bytes(path, b"x" * 100)
    assert not has_bytes(path, b"x" * 99)
    assert not has_bytes(path, b"x" * 101)


def test_text(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("ä\r\n".encode())
    assert read_text(path) == "ä\r\n"
    path.write_bytes(b"\xff")
    with pytest.raises(BadFileError, match="this is not UTF-8 text"):
        read_text(path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be read"):
        read_bytes(tmp_path / "a\0b")
