"""Parts of a source tarball inside a package."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.debian.sample_packages import deb, entry, tar

from imagefab.debian.ar import DebError
from imagefab.plan.tarball import take_tarball

MEMBER = "/usr/src/gcc-14/gcc-*.tar.xz"
FILES = ("lib/a.h", "lib/deep/b.h", "lib/deep/b.c", "testsuite/Makefile.in", "testsuite/x/y.c", "README")


def write_package(folder: Path, tarball: bytes, name: str = "usr/src/gcc-14/gcc-14.2.0-dfsg.tar.xz") -> Path:
    path = folder / "gcc-14-source.deb"
    path.write_bytes(deb(tar(f"./{name}", content=tarball)))
    return path


def make_tarball(*members: tarfile.TarInfo) -> bytes:
    files = []
    for name in FILES:
        info = tarfile.TarInfo(f"gcc-14.2.0/{name}")
        info.mtime, info.uid, info.uname, info.mode = 1_000_000, 7, "builder", 0o775 if name == "README" else 0o664
        files.append(info)
    return lzma.compress(tar(entry("gcc-14.2.0", tarfile.DIRTYPE), *reversed(files), *members))


def take(folder: Path, keep: Sequence[str], drop: Sequence[str] = ()) -> list[tarfile.TarInfo]:
    data = take_tarball(write_package(folder, make_tarball()), MEMBER, keep, drop)
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        return found.getmembers()


@pytest.mark.parametrize(
    ("keep", "drop", "names"),
    [
        (["lib/**"], [], ["lib/a.h", "lib/deep/b.c", "lib/deep/b.h"]),
        (["lib/*"], [], ["lib/a.h"]),
        (["lib/**.h"], [], ["lib/a.h", "lib/deep/b.h"]),
        (["testsuite/**", "README"], ["testsuite/*/**"], ["README", "testsuite/Makefile.in"]),
    ],
)
def test_patterns(keep: list[str], drop: list[str], names: list[str], tmp_path: Path) -> None:
    assert [member.name for member in take(tmp_path, keep, drop)] == names


def test_entries_keep_their_times_and_nothing_else_of_where_they_were_made(tmp_path: Path) -> None:
    readme, header = take(tmp_path, ["README", "lib/a.h"])
    assert (readme.mode, header.mode) == (0o755, 0o644)
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in (readme, header)} == {(1_000_000, 0, 0, "")}


def test_a_pattern_that_matches_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DebError, match=r"has nothing like libgcc/\*"):
        take(tmp_path, ["lib/**", "libgcc/*"])


def test_a_packages_own_files(tmp_path: Path) -> None:
    path = write_package(tmp_path, b"content", "usr/lib/wine/x86_64-windows/ntdll.dll")
    with tarfile.open(fileobj=io.BytesIO(take_tarball(path, "", ["usr/lib/*/x86_64-windows/*"], ["**.exe"]))) as found:
        assert found.getnames() == ["usr/lib/wine/x86_64-windows/ntdll.dll"]
        assert found.extractfile(found.getnames()[0]).read() == b"content"  # type: ignore[union-attr]
    with pytest.raises(DebError, match=r"gcc-14-source\.deb: it has nothing like usr/share/\*"):
        take_tarball(path, "", ["usr/share/*"], [])


@pytest.mark.parametrize("name", ["usr/src/gcc-14/other.tar.xz", "usr/src/gcc-14/x/gcc-14.tar.xz"])
def test_the_tarball_must_be_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(DebError, match="has no file"):
        take_tarball(write_package(tmp_path, make_tarball(), name), MEMBER, ["README"], ())


@pytest.mark.parametrize(
    "tarball",
    [
        b"not compressed",
        make_tarball()[:200],
        make_tarball(tarfile.TarInfo("../escape")),
        make_tarball(entry("gcc-14.2.0/dev", tarfile.CHRTYPE)),
        make_tarball(entry("gcc-14.2.0/link", tarfile.SYMTYPE, "/etc"), tarfile.TarInfo("gcc-14.2.0/link/passwd")),
    ],
    ids=["plain", "cut", "climbs", "device", "through a link"],
)
def test_hostile_tarballs(tarball: bytes, tmp_path: Path) -> None:
    with pytest.raises(DebError, match=r"gcc-\*\.tar\.xz"):
        take_tarball(write_package(tmp_path, tarball), MEMBER, ["README"], ())
