"""Layers from elsewhere, read whole before anything is made of them: are they what their records say, and no more?

A canonical layer has one form, so there is little to trust: members of one size, headers as they are written here,
entries in order, each in a folder of the layer's own. Anything else could mean one thing to the sandbox and another to
Docker, or lead out of the folder that it is unpacked into. The list of its files is made here, from what it has.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from imagefab.oci.compress import MEMBER
from imagefab.oci.layer import Layer, encode_listing
from imagefab.oci.tarfmt import WHITEOUT, TarEntry, TarReader, encode_node
from imagefab.oci.tree import LayerDifference, Node, Tree

_MOST_PLAIN = 64 << 30
_MOST_LISTED = 512 << 20
"""Bytes that a list takes in memory; an entry's own are counted as `_ENTRY`."""
_ENTRY = 512


def verify_layer(layer: Layer, file: IO[bytes]) -> bytes:
    """The list of a layer's files, as the store keeps it. ValueError when the file is not the layer of that record."""
    if sum(layer.members) != layer.size or layer.plain_size > _MOST_PLAIN:
        raise ValueError("its sizes make no sense")
    content = hashlib.sha256()
    reader = TarReader(_decompress(layer, file, content.update))
    difference = _read_difference(reader)
    reader.finish()
    if content.hexdigest() != layer.diff_id.hex:
        raise ValueError("its content is another")
    return encode_listing(difference)


def _decompress(layer: Layer, file: IO[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    """The members' content. Each but the last has as much as the codec puts into one, and nothing lies between them."""
    left = layer.plain_size
    for packed in layer.members:
        if not 0 < packed <= 2 * MEMBER:
            raise ValueError("its members have no such size")
        unpack = zlib.decompressobj(wbits=31)
        try:
            plain = unpack.decompress(file.read(packed), MEMBER + 1)
        except zlib.error:
            raise ValueError("it does not decompress") from None
        if not unpack.eof or unpack.unused_data or len(plain) != min(left, MEMBER):
            raise ValueError("its members are not as the codec makes them")
        left -= len(plain)
        update(plain)
        yield plain
    if left:
        raise ValueError("it is shorter than its record says")


def _read_difference(reader: TarReader) -> LayerDifference:
    changed: Tree = {}
    removed: list[str] = []
    listed = 0
    for entry in reader.entries():
        node, (folder, _, name) = entry.node, entry.path.rpartition("/")
        if encode_node(entry.path, node, entry.hard_link) != reader.header:
            raise ValueError(f"{entry.path[:200]!r} is not written as layers have it")
        listed += _ENTRY + len(reader.header)
        if listed > _MOST_LISTED:
            raise ValueError("it has more files than any layer")
        if name.startswith(WHITEOUT):
            name = name.removeprefix(WHITEOUT)
            removed.append(f"{folder}/{name}" if folder else name)
            continue
        changed[entry.path] = _fill_in(entry, node, changed, reader)
    return LayerDifference(changed, tuple(sorted(removed)))


def _fill_in(entry: TarEntry, node: Node, changed: Tree, reader: TarReader) -> Node:
    """The node with what a header does not say."""
    if entry.hard_link is not None:
        first = changed[entry.hard_link]
        node.size, node.sha, node.capability = first.size, first.sha, first.capability
    elif node.kind == "file":
        content = hashlib.sha256()
        for piece in reader.content():
            content.update(piece)
        node.sha = content.hexdigest()
    return node
