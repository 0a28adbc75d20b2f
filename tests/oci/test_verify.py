"""Layers from elsewhere: honest ones are listed as they were, and every other one is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from tests.oci.sample_trees import file, folder, link, trees, write

from imagefab.digest import Digest
from imagefab.oci.compress import MEMBER, compress_member
from imagefab.oci.layer import Layer, LayerFile, encode_listing
from imagefab.oci.tarfmt import END, encode_node
from imagefab.oci.tree import LayerDifference, Node, Tree, find_difference
from imagefab.oci.verify import verify_layer

TREE: Tree = {
    "bin": folder(),
    "bin/ash": file(b"#!", 0o755, inode=7),
    "bin/ping": file(b"ping", 0o755, capability="0100000200200000000000000000000000000000"),
    "bin/sh": file(b"#!", 0o755, inode=7),
    "lib": link("usr/lib"),
}
EMPTY = encode_listing(LayerDifference({}, ()))


def describe(made: LayerFile) -> Layer:
    key, listing = Digest.of_bytes(b"key"), Digest.of_bytes(made.listing)
    return Layer(
        key=key,
        name="base",
        digest=made.packed.digest,
        diff_id=made.packed.diff_id,
        size=made.packed.size,
        plain_size=made.packed.plain_size,
        members=made.packed.members,
        listing=listing,
    )


def pack(plain: bytes, compress: Callable[[bytes], bytes] = compress_member) -> tuple[Layer, bytes]:
    """Any bytes as a layer that fits its record."""
    members = [compress(plain[start : start + MEMBER]) for start in range(0, len(plain), MEMBER)]
    data = b"".join(members)
    layer = Layer(
        key=Digest.of_bytes(b"key"),
        name="base",
        digest=Digest.of_bytes(data),
        diff_id=Digest.of_bytes(plain),
        size=len(data),
        plain_size=len(plain),
        members=tuple(map(len, members)),
        listing=Digest.of_bytes(EMPTY),
    )
    return layer, data


@settings(max_examples=40)
@given(trees(), trees())
def test_honest_layers_are_listed_as_they_were(one: Tree, two: Tree) -> None:
    made, data = write(find_difference(one, two))
    assert verify_layer(describe(made), io.BytesIO(data)) == made.listing


def test_hard_links_and_capabilities() -> None:
    made, data = write(find_difference({}, TREE))
    assert verify_layer(describe(made), io.BytesIO(data)) == made.listing


def test_several_members() -> None:
    large = hashlib.shake_256(b"").digest(MEMBER + 1000)
    made, data = write(LayerDifference({"large": file(large), "small": file(b"x")}, ()))
    assert len(made.packed.members) == 2
    assert verify_layer(describe(made), io.BytesIO(data)) == made.listing


def refuse(layer: Layer, data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        verify_layer(layer, io.BytesIO(data))


def test_records_that_do_not_fit() -> None:
    made, data = write(find_difference({}, TREE))
    layer = describe(made)
    refuse(replace(layer, diff_id=Digest.of_bytes(b"")), data, "its content is another")
    refuse(replace(layer, plain_size=layer.plain_size + 1), data, "members")
    refuse(replace(layer, plain_size=layer.plain_size - 1), data, "members")
    refuse(replace(layer, plain_size=1 << 40), data, "sizes")
    refuse(replace(layer, members=(layer.size - 1,)), data, "sizes")
    refuse(replace(layer, members=(layer.size - 1, 1)), data, "members")
    refuse(replace(layer, members=(layer.size, 0)), data, "members")
    refuse(replace(layer, members=(layer.size + 1, -1)), data, "members")
    refuse(layer, data[:-1], "members")
    refuse(layer, b"x" * len(data), "does not decompress")


def test_nothing_stands_between_members_or_after_the_end() -> None:
    """One reader would take it for a part of the layer, and another would not."""
    plain = encode_node("a", folder()) + END
    refuse(*pack(plain, lambda piece: compress_member(piece) + b"junk"), why="members")
    refuse(*pack(plain, lambda piece: gzip.compress(piece[:512]) + gzip.compress(piece[512:])), why="members")
    refuse(*pack(plain + END), why="after its end")
    refuse(*pack(plain + encode_node("b", folder()) + END), why="after its end")


def test_headers_are_as_they_are_written_here() -> None:
    """A prefix is a part of the name to others."""
    header = encode_node("a", folder())
    prefixed = header[:345] + b"usr".ljust(155, b"\0") + header[500:]
    refuse(*pack(prefixed + END), why="not written as layers have it")
    refuse(*pack(header[:265] + b"root".ljust(32, b"\0") + header[297:] + END), why="not written as layers have it")


@pytest.mark.parametrize(
    "entries",
    [
        [("/etc/cron.d/x", file())],
        [("../../etc/cron.d/x", file())],
        [("etc", link("/etc")), ("etc/x", file())],
        [("x/y", file())],
    ],
    ids=["absolute", "upwards", "through a link", "through a link below"],
)
def test_layers_that_lead_out(entries: list[tuple[str, Node]]) -> None:
    refuse(*pack(b"".join(encode_node(path, node) for path, node in entries) + END), why="leads elsewhere|no folder")


def test_more_files_than_any_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagefab.oci.verify._MOST_LISTED", 4096)
    names = [f"{number:04}" for number in range(10)]
    refuse(*pack(b"".join(encode_node(name, file()) for name in names) + END), why="more files")
