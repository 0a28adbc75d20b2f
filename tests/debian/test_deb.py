"""Reading Debian packages, good ones and hostile ones."""

from __future__ import annotations

import gzip
import lzma
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.debian.sample_packages import CONTROL, ar, deb, entry, pack_fast, tar

from imagefab.debian.deb import extract_member, iter_data, read_control
from imagefab.errors import FetchError


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def to_file(content: bytes) -> Path:
        path = tmp_path / "a.deb"
        path.write_bytes(content)
        return path

    return to_file


Write = Callable[[bytes], Path]


def read_all(path: Path) -> dict[str, bytes | None]:
    return {member.name: content.read() if content else None for member, content in iter_data(path)}


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(lzma.compress, ".xz"), (gzip.compress, ".gz"), (lambda data: data, "")],
    ids=["xz", "gz", "plain"],
)
def test_a_good_package(write: Write, pack: Callable[[bytes], bytes], suffix: str) -> None:
    data = tar(
        entry("./", tarfile.DIRTYPE),
        entry("./usr/", tarfile.DIRTYPE),
        "./usr/file",
        entry("./usr/link", tarfile.SYMTYPE, "/etc/../x"),
        entry("./usr/hard", tarfile.LNKTYPE, "./usr/file"),
    )
    path = write(deb(data, pack=pack, suffix=suffix))
    assert read_control(path) == {
        "Package": "a", "Version": "1", "Architecture": "all", "Description": "one\ntwo"
    }  # fmt: skip
    assert read_all(path) == {"usr": None, "usr/file": b"content", "usr/link": None, "usr/hard": None}
    assert next(m.linkname for m, _ in iter_data(path) if m.name == "usr/hard") == "usr/file"
    assert extract_member(path, "/usr/file") == b"content"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(write: Write, form: int) -> None:
    name = "d" * 90 + "/" + "f" * 90
    link = entry("link", tarfile.SYMTYPE, "t" * 200)
    path = write(deb(tar(name, link, form=form)))
    assert extract_member(path, name) == b"content"
    assert [member.linkname for member, _ in iter_data(path)] == ["", "t" * 200]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["../etc/passwd"], "leads out"),
        (["usr/../../etc/passwd"], "leads out"),
        ([entry("a", tarfile.LNKTYPE, "../../etc/shadow")], "leads out"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), "a/passwd"], "below the link a"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), "./a//b/../c"], "leads out"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), entry("b", tarfile.LNKTYPE, "a/shadow")], "below the link a"),
        ([entry("a", tarfile.SYMTYPE, "/etc"), entry("a/b", tarfile.DIRTYPE)], "below the link a"),
        ([entry("dev/sda", tarfile.BLKTYPE)], "a kind of file"),
        ([entry("dev/tty", tarfile.CHRTYPE)], "a kind of file"),
        ([entry("fifo", tarfile.FIFOTYPE)], "a kind of file"),
        ([entry("./", tarfile.SYMTYPE, "/etc")], "root is not a folder"),
    ],
)
def test_paths_that_lead_out(write: Write, members: Sequence[tarfile.TarInfo | str], reason: str) -> None:
    with pytest.raises(FetchError, match=reason) as caught:
        read_all(write(deb(tar(*members))))
    assert caught.value.problem.startswith("a.deb: ")


def test_absolute_names_stay_inside(write: Write) -> None:
    assert list(read_all(write(deb(tar("/etc/passwd", "//x"))))) == ["etc/passwd", "x"]


def test_devices_when_asked_for(write: Write) -> None:
    path = write(deb(tar(entry("dev/null", tarfile.CHRTYPE))))
    assert [member.name for member, _ in iter_data(path, devices=True)] == ["dev/null"]


def test_links_are_not_followed(write: Write) -> None:
    path = write(deb(tar(entry("a", tarfile.SYMTYPE, "/etc/passwd"), entry("b", tarfile.DIRTYPE))))
    with pytest.raises(FetchError, match="a is a link to /etc/passwd"):
        extract_member(path, "a")
    with pytest.raises(FetchError, match="b is not a plain file"):
        extract_member(path, "b")
    with pytest.raises(FetchError, match="has no file c"):
        extract_member(path, "c")
    with pytest.raises(FetchError, match="leads out"):
        extract_member(path, "../c")


def test_bombs(write: Write) -> None:
    path = write(deb(tar("big", content=bytes(20 << 20)), pack=pack_fast))
    assert path.stat().st_size < 10_000
    assert len(extract_member(path, "big", most=21 << 20)) == 20 << 20
    for read in (lambda: extract_member(path, "big", most=10 << 20), lambda: list(iter_data(path, most=10 << 20))):
        with pytest.raises(FetchError, match="more than is allowed"):
            read()


def test_a_bomb_in_the_control_part(write: Write) -> None:
    path = write(deb(tar("x"), control=tar("big", content=bytes(70 << 20)), pack=pack_fast))
    with pytest.raises(FetchError, match="more than is allowed"):
        read_control(path)
    path = write(deb(tar("x"), control=tar("control", content=bytes(5 << 20)), pack=pack_fast))
    with pytest.raises(FetchError, match="plain small file"):
        read_control(path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_bomb_in_a_header(write: Write, kind: bytes) -> None:
    info = entry("x", kind)
    info.size = 20 << 20
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(20 << 20)
    with pytest.raises(FetchError, match="header in it is too large"):
        read_all(write(deb(data, pack=pack_fast)))


GOOD = [
    ("debian-binary", b"2.0\n"),
    ("control.tar", tar("control", content=CONTROL.encode())),
    ("data.tar", tar("x")),
]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"!<arch>\n", id="no-members"),
        pytest.param(b"MZ" + bytes(100), id="other-format"),
        pytest.param(ar(*GOOD[:2]), id="no-data"),
        pytest.param(ar(*GOOD, GOOD[2]), id="twice"),
        pytest.param(ar(*GOOD, ("data.tar.xz", b"")), id="twice-packed-differently"),
        pytest.param(ar(*GOOD, ("extra", b"x")), id="surplus"),
        pytest.param(ar(GOOD[1], GOOD[0], GOOD[2]), id="another-order"),
        pytest.param(ar(("debian-binary", b"3.0\n"), *GOOD[1:]), id="another-version"),
        pytest.param(ar(*GOOD) + b"garbage", id="garbage-at-the-end"),
        pytest.param(ar(*GOOD)[:-600], id="cut-off"),
        pytest.param(ar(*GOOD).replace(b"100644", b"100644", 1)[:58] + b"xx", id="bad-header"),
        pytest.param(ar(GOOD[0], ("control.tar.lzma", b"x"), ("data.tar.lzma", b"x")), id="unknown-compression"),
        pytest.param(ar(GOOD[0], ("control.tar.zst", b"x"), ("data.tar.zst", b"x")), id="zstd"),
        pytest.param(ar(GOOD[0], ("control.tar.xz", b"x"), ("data.tar.xz", b"x")), id="no-xz"),
        pytest.param(ar(GOOD[0], ("control.tar.gz", b"x"), ("data.tar.gz", b"x")), id="no-gzip"),
        pytest.param(
            ar(GOOD[0], *((f"{n}.tar.xz", lzma.compress(GOOD[1][1])[:-20]) for n in ("control", "data"))),
            id="cut-off-xz",
        ),
        pytest.param(ar(GOOD[0], ("control.tar", tar("other")), GOOD[2]), id="no-control-file"),
        pytest.param(ar(GOOD[0], ("control.tar", tar("control", content=b"\xff")), GOOD[2]), id="no-text"),
        pytest.param(ar(GOOD[0], ("control.tar", tar("control", content=b"no fields")), GOOD[2]), id="no-fields"),
    ],
)
def test_broken_packages(write: Write, content: bytes) -> None:
    path = write(content)
    with pytest.raises(FetchError, match=r"a\.deb"):
        read_control(path)
        read_all(path)


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=40))
def test_any_damage_is_a_fetch_error(tmp_path_factory: pytest.TempPathFactory, place: int, change: bytes) -> None:
    content = bytearray(deb(tar("usr/file", entry("usr/link", tarfile.SYMTYPE, "x"))))
    place %= len(content)
    content[place : place + len(change)] = change
    path = tmp_path_factory.mktemp("deb") / "a.deb"
    path.write_bytes(content)
    try:
        read_control(path)
        for name in read_all(path):
            assert not name.startswith("/") and ".." not in name.split("/")
    except FetchError as error:
        assert "a.deb" in error.problem


@given(
    st.lists(
        st.tuples(
            st.text(alphabet="ab./\0", max_size=12),
            st.sampled_from([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE]),
            st.text(alphabet="ab./", max_size=8),
        ),
        max_size=6,
    )
)
def test_paths_stay_inside(tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]]) -> None:
    path = tmp_path_factory.mktemp("deb") / "a.deb"
    path.write_bytes(deb(tar(*(entry(*member) for member in members)), pack=lambda data: data, suffix=""))
    links: set[str] = set()
    try:
        for member, _ in iter_data(path):
            parts = member.name.split("/")
            assert ".." not in parts and "" not in parts
            assert not any("/".join(parts[:n]) in links for n in range(1, len(parts)))
            assert not member.isdev()
            if member.issym():
                links.add(member.name)
    except FetchError:
        pass
