"""Canonical tar: what we write we read again, others read it too, and hostile bytes only make TarErrors."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oci.sample_trees import EPOCH, file, folder, link

from imagefab.oci.tarfmt import BLOCK, END, TarEntry, TarError, TarReader, encode_node, encode_whiteout, padding
from imagefab.oci.tree import MADE, Node

CAPABILITY = "0100000200200000000000000000000000000000"
LONG = "deep/" * 40 + "name"


def read(data: bytes) -> list[TarEntry]:
    return list(TarReader([data]).raw_entries())


def read_contents(data: bytes, cuts: Iterable[int] = ()) -> list[tuple[TarEntry, bytes]]:
    """The entries with their contents, from a tar that comes in pieces."""
    places = [0, *sorted(cuts), len(data)]
    reader = TarReader([data[start:end] for start, end in pairwise(places)])
    return [(entry, b"".join(reader.content())) for entry in reader.raw_entries()]


def open_tar(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8")


def encode(path: str, node: Node, hard_link: str | None = None) -> bytes:
    content = node.origin if node.kind == "file" and hard_link is None and node.origin else b""
    return encode_node(path, node, hard_link) + content + padding(len(content))


def bare(node: Node) -> Node:
    """What a tar says of a node."""
    return replace(node, sha="", origin=None, inode=None, size=node.size if node.kind == "file" else 0)


# -- round trips ------------------------------------------------------------------------------------------------------

_parts = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=60).filter(
    lambda part: part not in (".", "..") and _is_name(part)
)
PATHS = st.lists(_parts, min_size=1, max_size=5).map("/".join)
IDS = st.integers(0, 1 << 31)


def _is_name(part: str) -> bool:
    """Whether a file system could give this name."""
    try:
        data = part.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return data.decode(errors="surrogateescape") == part


NODES = st.one_of(
    st.builds(
        lambda content, mode, uid, gid, mtime, capability: Node(
            "file", mode, uid, gid, mtime, len(content), origin=content, capability=capability.hex()
        ),
        st.binary(max_size=1200),
        st.integers(0, 0o7777),
        IDS,
        IDS,
        st.integers(0, (1 << 33) - 1),
        st.one_of(st.just(b""), st.binary(min_size=1, max_size=24)),
    ),
    st.builds(lambda mode, uid: Node("folder", mode, uid, mtime=EPOCH), st.integers(0, 0o7777), IDS),
    st.builds(lambda target: Node("link", 0o777, mtime=EPOCH, target=target), PATHS),
    st.builds(lambda a, b: Node("char", 0o600, device=(a, b)), st.integers(0, 0o7777777), st.integers(0, 0o7777777)),
    st.just(Node("block", 0o660, device=(8, 1))),
    st.just(Node("fifo", 0o600, mtime=EPOCH)),
)


@given(st.lists(st.tuples(PATHS, NODES), max_size=5), st.lists(st.integers(0, 4000), max_size=4))
def test_trees_are_read_as_they_were_written(entries: list[tuple[str, Node]], cuts: list[int]) -> None:
    data = b"".join(encode(path, node) for path, node in entries) + END
    found = read_contents(data, cuts)
    assert [(entry.path, entry.node) for entry, _ in found] == [(path, bare(node)) for path, node in entries]
    assert [content for _, content in found] == [node.origin or b"" for _, node in entries]
    assert [entry for entry, _ in found] == read(data), "also when no content is looked at"


@given(PATHS, PATHS)
def test_hard_links_are_read_again(path: str, first: str) -> None:
    (entry,) = read(encode(path, file(b"content"), hard_link=first) + END)
    assert (entry.path, entry.hard_link, entry.node.size) == (path, first, 0)


@given(st.lists(st.tuples(PATHS, NODES), max_size=5))
def test_the_standard_library_reads_it(entries: list[tuple[str, Node]]) -> None:
    data = b"".join(encode(path, node) for path, node in entries) + END
    with open_tar(data) as tar:
        for member, (path, node) in zip(tar, entries, strict=True):
            assert member.name == path
            assert (member.mode, member.uid, member.gid, member.mtime) == (node.mode, node.uid, node.gid, node.mtime)
            assert (member.uname, member.gname) == ("", "")
            if node.kind == "file":
                content = tar.extractfile(member)
                assert content is not None
                assert content.read() == node.origin
                said = member.pax_headers.get("SCHILY.xattr.security.capability", "")
                assert said.encode(errors="surrogateescape").hex() == node.capability
            elif node.kind == "link":
                assert (member.issym(), member.linkname) == (True, node.target)
            elif node.kind in ("char", "block"):
                assert (member.devmajor, member.devminor) == node.device


# -- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [99, 100, 101, 255, 5000])
def test_names_around_what_ustar_holds(length: int) -> None:
    name = "n" * length
    data = encode(name, file()) + END
    assert [entry.path for entry in read(data)] == [name]
    assert open_tar(data).getnames() == [name]
    assert (b"path=" in data) == (length > 100)


def test_a_folder_with_a_long_name() -> None:
    data = encode(LONG, folder()) + END
    assert [entry.path for entry in read(data)] == [LONG]
    assert open_tar(data).getmember(LONG).isdir()


def test_long_targets() -> None:
    data = encode("l", link(LONG)) + encode("h", file(), hard_link=LONG) + END
    symbolic, hard = open_tar(data)
    assert symbolic.linkname == hard.linkname == LONG
    assert hard.islnk()


def test_names_that_are_not_utf_8_keep_their_bytes() -> None:
    for name in ("caf\udce9", "caf\udce9/" * 30):
        data = encode(name.rstrip("/"), file()) + END
        assert b"caf\xe9" in data
        assert open_tar(data).getnames() == [name.rstrip("/")]


def test_no_entry_carries_what_the_canonical_form_leaves_out() -> None:
    header = encode_node("x", file(b"content"))
    assert len(header) == BLOCK
    assert header[257:265] == b"ustar\x0000"
    assert not header[265:329].strip(b"\0"), "no user and group names"


def test_pax_records_only_where_ustar_has_no_room() -> None:
    assert len(encode_node("x", file())) == BLOCK
    assert len(encode_node("x", file(capability=CAPABILITY))) == 3 * BLOCK
    assert len(encode_node("x", file(uid=(1 << 21) - 1))) == BLOCK
    assert len(encode_node("x", file(uid=1 << 21))) == 3 * BLOCK


def test_files_too_large_for_ustar() -> None:
    node = Node("file", 0o644, size=9 << 30)
    assert tarfile.TarInfo.frombuf(encode_node("x", node)[-BLOCK:], "utf-8", "strict").size == 0
    assert b"size=9663676416\n" in encode_node("x", node)


def test_hard_links_have_no_capabilities() -> None:
    """The first name has them; a reader would set them twice."""
    assert len(encode_node("x", file(capability=CAPABILITY), hard_link="a")) == BLOCK


def test_whiteouts_are_empty_files_beside_what_they_remove() -> None:
    for path, marker in (("a/b/c", "a/b/.wh.c"), ("top", ".wh.top")):
        (entry,) = read(encode_whiteout(path) + END)
        assert (entry.path, entry.node) == (marker, Node("file", 0o644, mtime=MADE))


# -- hostile bytes ----------------------------------------------------------------------------------------------------


def exhaust(data: bytes) -> None:
    """Read all of it; nothing but a TarError may come of it, and it must end."""
    for read_all in (TarReader.raw_entries, TarReader.entries):
        try:
            for count, _ in enumerate(read_all(TarReader([data]))):
                assert count <= len(data) // BLOCK
        except TarError:
            pass


VALID = encode("a", file(b"content")) + encode(LONG, file(b"2", capability=CAPABILITY)) + encode("l", link(LONG)) + END


@given(st.binary(max_size=2048))
def test_any_bytes(data: bytes) -> None:
    exhaust(data)


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_any_byte_changed(place: int, value: int) -> None:
    exhaust(VALID[:place] + bytes([value]) + VALID[place + 1 :])


@given(st.integers(0, len(VALID)))
def test_any_end_cut_off(length: int) -> None:
    exhaust(VALID[:length])


def test_a_tar_that_is_cut_off() -> None:
    with pytest.raises(TarError):
        read(VALID[: -len(END)])
    with pytest.raises(TarError):
        read(encode_node("a", file(b"x" * 600)) + b"x" * BLOCK)


@pytest.mark.parametrize(
    "record",
    [
        b"0 path=x\n",
        b"-9 path=x\n",
        b" path=x\n",
        b"99 path=x\n",
        b"2 path=x\n",
        b"9 pathxx\n",
        b"9 path=xx",
        b"x path=x\n",
    ],
)
def test_broken_pax_records(record: bytes) -> None:
    header = encode_node("x", file(capability=CAPABILITY))[:BLOCK]
    size = b"%011o" % len(record)
    with pytest.raises(TarError):
        read(header[:124] + size + header[135:] + record + padding(len(record)) + encode("y", file()) + END)


def test_negative_sizes() -> None:
    header = encode_node("x", file())
    with pytest.raises(TarError):
        read(header[:124] + b"-0000001000" + header[135:] + END)


def test_unknown_kinds() -> None:
    header = encode_node("x", file())
    with pytest.raises(TarError):
        read(header[:156] + b"V" + header[157:] + END)


# -- entries that no layer has ----------------------------------------------------------------------------------------

IN_A = encode("a", folder()) + encode("a/f", file())


def write_name(name: bytes, node: Node) -> bytes:
    """A header with any name."""
    header = encode_node("x", node)
    header = name.ljust(100, b"\0") + header[100:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def check_layer(data: bytes) -> list[str]:
    return [entry.path for entry in TarReader([data + END]).entries()]


@pytest.mark.parametrize("name", [b"/etc/x", b"/x", b"..", b"../x", b"a/../../x", b"a/..", b".", b"./x", b"a//x", b""])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_no_path_leads_elsewhere(name: bytes, kind: str) -> None:
    node = {"file": file(), "folder": folder(), "link": link("/etc")}[kind]
    with pytest.raises(TarError, match="leads elsewhere"):
        check_layer(write_name(name, node))


def test_what_something_is_in_is_a_folder_of_the_layer() -> None:
    """So no link leads out, neither one of this layer nor one of a layer below."""
    assert check_layer(IN_A) == ["a", "a/f"]
    for before in (b"", encode("a", link("/etc")), encode("a", file())):
        with pytest.raises(TarError, match="no folder of the layer"):
            check_layer(before + encode("a/f", file()))


def test_hard_links_lead_to_files_of_the_layer() -> None:
    assert check_layer(IN_A + encode("b", file(), hard_link="a/f")) == ["a", "a/f", "b"]
    for target in ("/etc/shadow", "../x", "a", "a/g", "b", "l", "a/../a/f", "l/f"):
        with pytest.raises(TarError, match="a hard link to no file before it"):
            check_layer(IN_A + encode("l", link("a")) + encode("m", file(), hard_link=target))


def test_each_path_comes_once_and_in_order() -> None:
    for first, second in (("a", "a"), ("b", "a"), ("a-", "a")):
        with pytest.raises(TarError, match="out of order"):
            check_layer(encode(first, folder()) + encode(second, folder()))


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh...", b".wh..wh.x", b".wh..wh..opq"])
def test_a_whiteout_removes_one_path(name: bytes) -> None:
    with pytest.raises(TarError, match="removes no single path"):
        check_layer(write_name(name, file()))


def test_a_layer_does_not_have_what_it_removes() -> None:
    assert check_layer(encode_whiteout("b") + IN_A) == [".wh.b", "a", "a/f"]
    with pytest.raises(TarError, match="removes"):
        check_layer(encode_whiteout("a") + IN_A)
    with pytest.raises(TarError, match="removes"):
        check_layer(encode("+", folder()) + encode_whiteout("+"))
    with pytest.raises(TarError, match="an empty file"):
        check_layer(encode(".wh.x", link("y")))


def test_devices_and_odd_owners() -> None:
    with pytest.raises(TarError, match="a device file"):
        check_layer(encode("null", Node("char", 0o666, device=(1, 3))))
    with pytest.raises(TarError, match="no such mode or owner"):
        check_layer(encode("x", file(uid=1 << 40)))
    with pytest.raises(TarError, match="no such mode or owner"):
        check_layer(encode("x", file(mode=0o100644)))


def test_nothing_follows_the_end() -> None:
    for data, fits in ((IN_A + END, True), (IN_A + END + b"x", False), (IN_A + END + END, False)):
        reader = TarReader([data[:900], data[900:]])
        list(reader.entries())
        if fits:
            reader.finish()
        else:
            with pytest.raises(TarError, match="after its end"):
                reader.finish()
