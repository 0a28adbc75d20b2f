"""Packages decoded for dpkg, and what is refused before dpkg sees it."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.debian.sample_packages import ar, deb, entry, tar

from imagefab.debian.ar import DebError, list_members
from imagefab.debian.deb import iter_data, read_control
from imagefab.debian.payload import decode_package
from imagefab.plan.rootfs import read_rootfs

Write = Callable[[bytes], Path]
EPOCH = 1_700_000_000


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: bytes) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.deb"
        path.write_bytes(content)
        return path

    return to_file


def test_a_decoded_package_has_the_same_content(write: Write, tmp_path: Path) -> None:
    source, target = write(deb(tar("./usr/odd", content=b"123"))), tmp_path / "plain.deb"
    decode_package(source, target)
    with target.open("rb") as file:
        assert [member.name for member in list_members(file)] == ["debian-binary", "control.tar", "data.tar"]
    assert read_control(target) == read_control(source)
    assert {member.name: content and content.read() for member, content in iter_data(target)} == {"usr/odd": b"123"}


@pytest.mark.parametrize(("part", "chunks"), [("control", 6), ("data", 20)])
def test_bombs(part: str, chunks: int, write: Write, tmp_path: Path) -> None:
    """Kilobytes that unpack to hundreds of megabytes: refused early."""
    bomb = lzma.compress(bytes(1 << 24), preset=0) * chunks
    good = lzma.compress(tar("./control"))
    parts = {"control": good, "data": good} | {part: bomb}
    members = [(f"{name}.tar.xz", content) for name, content in parts.items()]
    with pytest.raises(DebError, match=r"bomb\.deb: it unpacks to more than is allowed"):
        decode_package(write(ar(("debian-binary", b"2.0\n"), *members)), tmp_path / "bomb.deb")
    assert (tmp_path / "bomb.deb").stat().st_size < (chunks - 1) << 24


@pytest.mark.parametrize(
    "content", [b"", b"!<arch>\n", deb(b"")[:-3], deb(b"x", pack=lambda data: b"no xz at all"), ar(("a", b""))]
)
def test_broken_packages(content: bytes, write: Write, tmp_path: Path) -> None:
    with pytest.raises(DebError, match=r"bad\.deb: "):
        decode_package(write(content), tmp_path / "bad.deb")


LINK = entry("./usr/share/trap", b"2", "/etc")


@pytest.mark.parametrize("first", ["link", "file"])
def test_no_package_writes_through_the_link_of_another(first: str, write: Write) -> None:
    packages = [write(deb(tar(LINK))), write(deb(tar("./usr/share/trap/passwd")))]
    with pytest.raises(DebError, match="usr/share/trap"):
        read_rootfs(packages if first == "link" else packages[::-1], EPOCH)


def test_files_in_a_folder_of_another(write: Write) -> None:
    files = read_rootfs([write(deb(tar(entry("./usr/share", b"5")))), write(deb(tar("./usr/share/x")))], EPOCH)
    assert files["usr/share/x"].origin == b"content"


def test_old_packages_with_folders_in_the_root(write: Write) -> None:
    """bookworm's and earlier ones: /usr is merged all the same, where nothing says that there is a /usr/lib64."""
    packages = [write(deb(tar(entry("./lib64", b"5")))), write(deb(tar("./lib64/ld.so"))), write(deb(tar("./bin/sh")))]
    files = read_rootfs(packages, EPOCH)
    assert {path: node.kind for path, node in files.items() if "/" not in path} == {
        "usr": "folder", "var": "folder", "bin": "link", "lib64": "link",
    }  # fmt: skip
    assert (files["lib64"].target, files["usr/lib64/ld.so"].origin) == ("usr/lib64", b"content")
