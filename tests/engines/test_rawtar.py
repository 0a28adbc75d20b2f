"""Layers as engines save them: whatever the dialect, one canonical layer comes of it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oci.sample_trees import EPOCH, file, folder, link, trees, write

from imagefab.engines.rawtar import Span, canonicalise, find_layers, open_span, read_raw_layer
from imagefab.errors import EngineError
from imagefab.oci.layer import decode_listing, write_layers
from imagefab.oci.tree import MADE, Node, Tree, find_difference, parents_of

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
Entry = tuple[tarfile.TarInfo, bytes]


def entry(
    path: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, **more: object
) -> Entry:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.size, info.mtime = kind, mode, len(content), EPOCH
    for name, value in more.items():
        setattr(info, name, value)
    return info, content


def make_tar(entries: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def save(path: Path, *layers: bytes) -> list[Span]:
    """A docker-archive with these layers."""
    names = [f"blobs/sha256/{number}" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "c", "RepoTags": None, "Layers": names}]).encode()
    members = [entry(name, layer) for name, layer in zip(names, layers, strict=True)]
    path.write_bytes(make_tar([*members, entry("manifest.json", manifest)]))
    return find_layers(path)


def canonical(folder: Path, *groups: Sequence[bytes], below: Tree | None = None) -> list[bytes]:
    """The compressed canonical layers of groups of saved ones."""
    spans = iter(save(folder / "saved.tar", *(layer for group in groups for layer in group)))
    taken = [[next(spans) for _ in group] for group in groups]
    found = []
    with ThreadPoolExecutor(2) as pool:
        for part in canonicalise(taken, below or {}, EPOCH):
            (layer,) = write_layers([("layer", part)], open_span, folder, pool, lambda content: None)
            assert layer.path is not None
            found.append(layer.path.read_bytes())
    return found


def expect(before: Tree, after: Tree) -> bytes:
    return write(find_difference(before, after))[1]


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        return {member.name: member for member in tar}


FOLDER = entry("d", kind=tarfile.DIRTYPE, mode=0o755)
ONE = entry("d/one", b"1")

# -- dialects ---------------------------------------------------------------------------------------------------------


def test_file_type_bits_dots_and_slashes_do_not_count(tmp_path: Path) -> None:
    plain = make_tar([FOLDER, ONE])
    docker = make_tar(
        [
            entry("./", kind=tarfile.DIRTYPE),
            entry("./d/", kind=tarfile.DIRTYPE, mode=0o40755),
            entry("./d/one", b"1", mode=0o100644),
        ]
    )
    assert canonical(tmp_path, [plain]) == canonical(tmp_path, [docker])
    assert canonical(tmp_path, [plain]) == [expect({}, {"d": folder(), "d/one": file(b"1")})]


def test_names_and_times_do_not_count(tmp_path: Path) -> None:
    later = make_tar([
        entry("d", kind=tarfile.DIRTYPE, mode=0o755, mtime=EPOCH + 5, uname="root"),
        entry("d/one", b"1", mtime=EPOCH + 0.75, uname="root", gname="root"),
    ])  # fmt: skip
    assert canonical(tmp_path, [later]) == canonical(tmp_path, [make_tar([FOLDER, ONE])])


def test_older_times_stay(tmp_path: Path) -> None:
    (data,) = canonical(tmp_path, [make_tar([entry("x", mtime=EPOCH - 5)])])
    assert members(data)["x"].mtime == EPOCH - 5


def test_an_opaque_marker_and_whiteouts_say_the_same(tmp_path: Path) -> None:
    base = make_tar([FOLDER, ONE, entry("d/two", b"2")])
    opaque = make_tar([FOLDER, entry("d/.wh..wh..opq"), entry("d/three", b"3")])
    whiteouts = make_tar([FOLDER, entry("d/three", b"3"), entry("d/.wh.one"), entry("d/.wh.two")])
    assert canonical(tmp_path, [base], [opaque]) == canonical(tmp_path, [base], [whiteouts])


def test_an_opaque_marker_in_a_new_folder_says_nothing(tmp_path: Path) -> None:
    marked = make_tar([FOLDER, entry("d/.wh..wh..opq"), ONE])
    assert canonical(tmp_path, [marked]) == canonical(tmp_path, [make_tar([FOLDER, ONE])])


def test_whiteouts_in_the_root_folder(tmp_path: Path) -> None:
    _, second = canonical(tmp_path, [make_tar([FOLDER, ONE])], [make_tar([entry("./.wh.d")])])
    assert list(members(second)) == [".wh.d"]


def test_what_did_not_change_is_dropped(tmp_path: Path) -> None:
    base = make_tar([FOLDER, ONE])
    again = make_tar([entry("d", kind=tarfile.DIRTYPE, mode=0o755, mtime=EPOCH + 9), ONE])
    assert list(members(canonical(tmp_path, [base], [again])[1])) == []


def test_same_size_other_content_is_a_change(tmp_path: Path) -> None:
    _, second = canonical(tmp_path, [make_tar([FOLDER, ONE])], [make_tar([FOLDER, entry("d/one", b"2")])])
    assert list(members(second)) == ["d", "d/one"]


def test_mount_points_of_the_engine_are_no_files(tmp_path: Path) -> None:
    saved = make_tar([
        entry("etc", kind=tarfile.DIRTYPE, mode=0o755), entry("etc/resolv.conf"), entry("etc/hosts"),
        entry(".dockerenv"),
        entry("run", kind=tarfile.DIRTYPE, mode=0o755), entry("run/imagefab", kind=tarfile.DIRTYPE),
    ])  # fmt: skip
    assert sorted(members(canonical(tmp_path, [saved])[0])) == ["etc", "run"]


def test_a_group_is_one_layer(tmp_path: Path) -> None:
    steps = [make_tar([FOLDER, ONE]), make_tar([FOLDER, entry("d/two", b"2")]), make_tar([FOLDER, entry("d/.wh.one")])]
    assert canonical(tmp_path, steps) == [expect({}, {"d": folder(), "d/two": file(b"2")})]


def test_links_pipes_and_capabilities(tmp_path: Path) -> None:
    attribute = CAPABILITY.decode(errors="surrogateescape")
    saved = make_tar([
        entry("l", kind=tarfile.SYMTYPE, linkname="../x", mode=0o120777),
        entry("p", kind=tarfile.FIFOTYPE, mode=0o600),
        entry("c", b"x", pax_headers={"SCHILY.xattr.security.capability": attribute}),
    ])  # fmt: skip
    (data,) = canonical(tmp_path, [saved])
    after: Tree = {
        "l": link("../x"), "p": Node("fifo", 0o600, mtime=EPOCH), "c": file(b"x", capability=CAPABILITY.hex()),
    }  # fmt: skip
    assert data == expect({}, after)


def test_device_files_are_refused(tmp_path: Path) -> None:
    device = entry("opt/n", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)
    with pytest.raises(EngineError, match="device file at /opt/n"):
        canonical(tmp_path, [make_tar([device])])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("999999999.999999999", 999_999_999), ("7", 7), ("-1.5", 0), ("0.0", 0), (f"{EPOCH + 9}.1", MADE)],
)
def test_times_are_rounded_down_and_what_is_newer_was_made(text: str, seconds: int, tmp_path: Path) -> None:
    saved = make_tar([entry("f", b"x", pax_headers={"mtime": text})])
    assert canonical(tmp_path, [saved]) == [expect({}, {"f": replace(file(b"x"), mtime=seconds)})]


# -- hard links -------------------------------------------------------------------------------------------------------


def test_hard_links_go_to_the_first_in_order_whatever_was_first_in_the_tar(tmp_path: Path) -> None:
    saved = make_tar(
        [
            entry("z", b"same"),
            entry("a", kind=tarfile.LNKTYPE, linkname="z"),
            entry("./m", kind=tarfile.LNKTYPE, linkname="./z"),
        ]
    )
    found = members(canonical(tmp_path, [saved])[0])
    assert found["a"].isreg()
    assert (found["m"].linkname, found["z"].linkname) == ("a", "a")


def test_hard_links_of_two_steps_are_not_mixed_up(tmp_path: Path) -> None:
    """`a` and `b` are one file; then `a` is written anew and `c` linked to it. `b` keeps the old content."""
    first = make_tar([entry("a", b"old"), entry("b", kind=tarfile.LNKTYPE, linkname="a")])
    second = make_tar([entry("a", b"new"), entry("c", kind=tarfile.LNKTYPE, linkname="a")])
    (data,) = canonical(tmp_path, [first, second])
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as tar:
        contents = {name: tar.extractfile(name) for name in "abc"}
        assert {name: stream.read() for name, stream in contents.items() if stream} == {
            "a": b"new",
            "b": b"old",
            "c": b"new",
        }


def test_names_of_one_link_are_two_links(tmp_path: Path) -> None:
    """Engines that look at folders can't tell; those that save tars can."""
    saved = make_tar(
        [
            entry("l", kind=tarfile.SYMTYPE, linkname="x", mode=0o777),
            entry("twin", kind=tarfile.LNKTYPE, linkname="l"),
        ]
    )
    assert canonical(tmp_path, [saved]) == [expect({}, {"l": link("x"), "twin": link("x")})]


def test_a_hard_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="hard link to nothing"):
        canonical(tmp_path, [make_tar([entry("a", kind=tarfile.LNKTYPE, linkname="gone")])])


# -- archives ---------------------------------------------------------------------------------------------------------


def test_layers_may_be_links_to_one_another(tmp_path: Path) -> None:
    """Old engines save a layer that is repeated as a link."""
    layer = make_tar([ONE])
    manifest = json.dumps([{"Layers": ["1/layer.tar", "2/layer.tar", "3"]}]).encode()
    path = tmp_path / "saved.tar"
    path.write_bytes(make_tar([
        entry("1/layer.tar", layer), entry("2/layer.tar", kind=tarfile.SYMTYPE, linkname="../1/layer.tar"),
        entry("3", kind=tarfile.LNKTYPE, linkname="1/layer.tar"), entry("manifest.json", manifest),
    ]))  # fmt: skip
    one, two, three = find_layers(path)
    assert one == two == three
    assert one.size == len(layer)


@pytest.mark.parametrize(
    "content",
    [b"", b"no tar", make_tar([])]
    + [
        make_tar([entry("manifest.json", text)])
        for text in (b"{", b"[]", b'[{"Layers": ["x"]}]', b'[{"Layers": null}]')
    ],
)
def test_archives_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "saved.tar"
    path.write_bytes(content)
    with pytest.raises(EngineError):
        find_layers(path)


# -- properties -------------------------------------------------------------------------------------------------------

_TYPES = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE, "fifo": tarfile.FIFOTYPE}


def speak(before: Tree, after: Tree, opaque: set[str]) -> bytes:
    """The way from one tree to the other, as an engine might save it."""
    entries = []
    for path, node in after.items():
        content = node.origin if node.kind == "file" else b""
        entries.append(entry(f"./{path}", content, kind=_TYPES[node.kind], mode=node.mode, linkname=node.target))
    entries += [entry(f"./{path}/.wh..wh..opq") for path in opaque]
    for path in before:
        if path not in after and not opaque & set(parents_of(path)):
            above, _, name = path.rpartition("/")
            entries.append(entry(f"./{above}/.wh.{name}"))
    return make_tar(entries)


@settings(max_examples=40)
@given(trees(), trees(), st.randoms())
def test_any_dialect_gives_the_canonical_layer(
    tmp_path_factory: pytest.TempPathFactory, before: Tree, after: Tree, random: object
) -> None:
    where = tmp_path_factory.mktemp("raw", numbered=True)
    folders = [path for path in after if after[path].kind == "folder"]
    opaque = {path for path in folders if random.random() < 0.5}  # type: ignore[attr-defined]
    expected = [expect({}, before), expect(before, after)]
    assert canonical(where, [speak({}, before, set())], [speak(before, after, opaque)]) == expected


def test_listings_come_with_the_layers(tmp_path: Path) -> None:
    spans = save(tmp_path / "saved.tar", make_tar([FOLDER, ONE]))
    (part,) = canonicalise([spans], {}, EPOCH)
    with ThreadPoolExecutor(1) as pool:
        (layer,) = write_layers([("layer", part)], open_span, tmp_path, pool, lambda content: None)
    assert decode_listing(layer.listing).nodes["d/one"].sha == file(b"1").sha
    assert set(read_raw_layer(spans[0], {}, EPOCH).nodes) == {"d", "d/one"}
