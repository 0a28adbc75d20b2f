"""Verify layers from other machines before use: they must be exactly what their records say.

A canonical layer has one form, so little is taken on trust: members of one size, headers exactly as written here,
entries in order, each in a folder of the layer's own. Anything else could mean one thing to the sandbox and another to
Docker, or escape the folder that it is unpacked into. The listing is made here, from the layer's content.
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
"""Bytes of memory that a listing may take; each entry counts as `_ENTRY` plus its header."""
_ENTRY = 512


def verify_layer(layer: Layer, file: IO[bytes]) -> bytes:
    """Verify a layer and return its listing. Raises ValueError if the file doesn't match the record."""
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
    """Decompress the members. All but the last must be full, with nothing between them."""
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
    """Add what the header doesn't have to the node."""
    if entry.hard_link is not None:
        first = changed[entry.hard_link]
        node.size, node.sha, node.capability = first.size, first.sha, first.capability
    elif node.kind == "file":
        content = hashlib.sha256()
        for piece in reader.content():
            content.update(piece)
        node.sha = content.hexdigest()
    return node
