"""Trees out of folders and folders out of layers. Owners and overlay's markers can only be made by root."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.machine import require
from tests.oci.sample_trees import EPOCH, file, folder, link, trees

from imagefab.engines.sandbox.files import lay_out_tree, open_origin, scan_upper, unpack_layer
from imagefab.errors import EngineError
from imagefab.oci.layer import hash_files, write_layer
from imagefab.oci.tree import MADE, LayerDifference, Node, Tree, apply_layer, find_difference


@pytest.fixture(autouse=True)
def as_root() -> None:
    require(os.geteuid() == 0, "root, to make files of other users")


CAPABILITY = "0100000200200000000000000000000000000000"


def has_attributes(folder: Path) -> bool:
    try:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    except OSError:
        return False
    return True


def unpack(difference: LayerDifference, where: Path, root: Path, read: object = open_origin) -> None:
    with ThreadPoolExecutor(2) as pool:
        hash_files(difference, read, pool)  # type: ignore[arg-type]
        with where.open("wb") as out:
            layer = write_layer(difference, read, out, pool)  # type: ignore[arg-type]
        unpack_layer(where, list(layer.members), str(root), pool)


def scan(root: Path, below: Tree | None = None) -> Tree:
    return apply_layer(below or {}, scan_upper(str(root), below or {}, EPOCH))


def shape(tree: Tree) -> dict[str, list[object]]:
    """What a tree says, without the hashes, which are filled in when they are needed."""
    return {path: [cell for n, cell in enumerate(node.row()) if n != 6] for path, node in tree.items()}


TREE: Tree = {
    "bin": folder(0o750),
    "bin/a": file(b"#!", 0o4755, inode=1),
    "bin/b": file(b"#!", 0o4755, inode=1),
    "etc": folder(),
    "etc/caf\udce9": file(b"x", uid=5, gid=6),
    "etc/link": Node("link", 0o777, 3, 4, EPOCH, target="../\udc80"),
    "etc/old": Node("file", 0o600, mtime=EPOCH - 1000, origin=b""),
    "pipe": Node("fifo", 0o620, 7, 8, EPOCH),
    "tmp": folder(0o1777),
}


def test_laid_out_and_scanned_is_the_same(tmp_path: Path) -> None:
    lay_out_tree(TREE, str(tmp_path))
    found = scan(tmp_path)
    assert shape(found) == shape(TREE)
    assert found["bin/a"].inode == found["bin/b"].inode is not None
    assert found["etc/old"].inode is None


def test_unpacked_and_scanned_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "unpacked").mkdir()
    lay_out_tree(TREE, str(tmp_path / "made"))
    before = scan(tmp_path / "made")
    unpack(find_difference({}, before), tmp_path / "layer", tmp_path / "unpacked")
    assert shape(scan(tmp_path / "unpacked")) == shape(TREE)
    assert (tmp_path / "unpacked/bin/a").stat().st_ino == (tmp_path / "unpacked/bin/b").stat().st_ino
    assert (tmp_path / "unpacked/etc").stat().st_mtime == MADE


def test_capabilities(tmp_path: Path) -> None:
    try:
        lay_out_tree({"ping": file(b"x", 0o755, capability=CAPABILITY)}, str(tmp_path))
    except OSError:
        require(False, "a file system that keeps capabilities")
    assert scan(tmp_path)["ping"].capability == CAPABILITY


def test_overlay_whiteouts_and_opaque_folders(tmp_path: Path) -> None:
    below: Tree = {"d": folder(), "d/one": file(b"1"), "gone": file(), "e": folder(), "e/x": file(b"x")}
    (tmp_path / "e").mkdir()
    os.mknod(tmp_path / "gone", stat.S_IFCHR, os.makedev(0, 0))
    if not has_attributes(tmp_path / "e"):
        require(False, "a file system that keeps trusted attributes")
    raw = scan_upper(str(tmp_path), below, EPOCH)
    assert (raw.whiteouts, raw.opaque, set(raw.nodes)) == ({"gone"}, {"e"}, {"e"})


def test_only_content_that_may_be_equal_is_hashed(tmp_path: Path) -> None:
    below: Tree = {"same": file(b"12"), "size": file(b"1"), "kind": link("12")}
    for name in ("same", "size", "kind", "new"):
        (tmp_path / name).write_bytes(b"12")
    found = scan_upper(str(tmp_path), below, EPOCH).nodes
    assert {name: bool(node.sha) for name, node in found.items()} == {
        "same": True, "size": False, "kind": False, "new": False,
    }  # fmt: skip


def test_sockets_are_no_files(tmp_path: Path) -> None:
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    assert scan(tmp_path) == {}


def test_times_are_rounded_down_and_not_before_1970(tmp_path: Path) -> None:
    for name, nanoseconds in (("before", -1_500_000_000), ("nearly", 999_999_999_999_999_999)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(0, nanoseconds))
    assert {path: node.mtime for path, node in scan(tmp_path).items()} == {"before": 0, "nearly": 999_999_999}


def test_names_of_whiteouts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/.wh.x").touch()
    assert set(scan(tmp_path)) == {"tmp"}
    (tmp_path / ".wh.x").touch()
    with pytest.raises(EngineError, match=r"a step made /\.wh\.x"):
        scan(tmp_path)


def test_a_device_in_a_layer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="device"):
        unpack(LayerDifference({"null": Node("char", 0o666, device=(1, 3))}, ()), tmp_path / "layer", tmp_path)


def test_damaged_layers_are_errors(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(b"no gzip at all")
    with ThreadPoolExecutor(1) as pool, pytest.raises((ValueError, OSError)):
        unpack_layer(tmp_path / "layer", [14], str(tmp_path), pool)


class Zeros(io.RawIOBase):
    """A file of nothing but zeros, which nobody holds in memory."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = min(self.left, len(buffer))
        self.left -= count
        buffer[:count] = bytes(count)
        return count


def test_a_layer_is_not_held_in_memory(tmp_path: Path) -> None:
    size = 200_000_000
    with (tmp_path / "layer").open("wb") as out, ThreadPoolExecutor(2) as pool:
        difference = LayerDifference({"large": Node("file", 0o644, mtime=EPOCH, size=size)}, ())
        layer = write_layer(difference, lambda node: io.BufferedReader(Zeros(node.size)), out, pool)
        (tmp_path / "root").mkdir()
        tracemalloc.start()
        try:
            unpack_layer(tmp_path / "layer", list(layer.members), str(tmp_path / "root"), pool)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (tmp_path / "root/large").stat().st_size == size
    assert most < size / 2


def read_bytes(node: Node) -> io.BytesIO:
    return io.BytesIO(node.origin)


@settings(max_examples=40)
@given(trees(), trees())
def test_layers_over_each_other(tmp_path_factory: pytest.TempPathFactory, one: Tree, two: Tree) -> None:
    """Two canonical layers laid over each other give the second tree, whiteouts, replaced folders and all."""
    where = tmp_path_factory.mktemp("files", numbered=True)
    root = where / "root"
    root.mkdir()
    unpack(find_difference({}, one), where / "one", root, read_bytes)
    unpack(find_difference(one, two), where / "two", root, read_bytes)
    assert shape(scan(root)) == shape(two)
