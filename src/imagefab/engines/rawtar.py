"""Layers as container engines save them: a docker-archive of tars, each read as a raw layer.

Whatever an engine writes besides the files (whiteout markers, opaque markers in folders that need none, file type bits
in modes, entries for its own mount points) is either handled here or normalised in the canonical form.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagefab.errors import EngineError
from imagefab.oci.tree import (
    MADE,
    Kind,
    LayerDifference,
    Node,
    RawLayer,
    Tree,
    apply_layer,
    clamp_time,
    find_difference,
)

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.LNKTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
_CAPABILITY = "SCHILY.xattr.security.capability"


@dataclass(frozen=True, slots=True)
class Span:
    """A file's content inside the saved archive."""

    archive: Path
    offset: int
    size: int


def find_layers(archive: Path) -> list[Span]:
    """Return the layer tars in a saved image, lowest first."""
    try:
        with tarfile.open(archive) as tar:
            members = {member.name: member for member in tar}
            manifest = tar.extractfile(members["manifest.json"])
            assert manifest is not None
            names = json.load(manifest)[0]["Layers"]
            spans = []
            for name in names:
                member = members[name]
                while member.issym() or member.islnk():
                    target = member.linkname
                    if member.issym():
                        target = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), target))
                    member = members[target]
                spans.append(Span(archive, member.offset_data, member.size))
            return spans
    except (tarfile.TarError, KeyError, ValueError, IndexError, TypeError) as error:
        raise EngineError(f"the engine saved an image that can't be read: {error}") from error


def canonicalise(groups: Sequence[Sequence[Span]], below: Tree, epoch: int) -> Iterator[LayerDifference]:
    """Turn each group of raw layers into one canonical difference."""
    before = below
    for spans in groups:
        after = before
        for span in spans:
            after = apply_layer(after, read_raw_layer(span, after, epoch))
        _hash_candidates(before, after)
        yield find_difference(before, after)
        before = after


def read_raw_layer(span: Span, below: Mapping[str, Node], epoch: int) -> RawLayer:
    raw = RawLayer({}, set(), set())
    with open_span(Node("file", 0, size=span.size, origin=span)) as stream, tarfile.open(fileobj=stream) as tar:
        for member in tar:
            path = posixpath.normpath(member.name).lstrip("/")
            folder, _, name = path.rpartition("/")
            if path == ".":
                continue
            if name == _OPAQUE:
                raw.opaque.add(folder)
            elif name.startswith(_WHITEOUT):
                raw.whiteouts.add(f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/"))
            elif member.type in _KINDS:
                raw.nodes[path] = _make_node(member, span, raw, below, epoch)
            else:
                raise EngineError(f"the engine saved {member.name} as a kind of file that layers can't contain")
    return raw


def _make_node(member: tarfile.TarInfo, span: Span, raw: RawLayer, below: Mapping[str, Node], epoch: int) -> Node:
    kind = _KINDS[member.type]
    if member.islnk():
        first = posixpath.normpath(member.linkname).lstrip("/")
        node = raw.nodes.get(first) or below.get(first)
        if node is None or (node.kind == "file" and node.origin is None):
            raise EngineError(f"the engine saved a hard link to nothing: {member.name} to {member.linkname}")
        if node.kind != "file":
            return node  # two names of one link or pipe are equivalent to two of them
        if node.inode is None:
            node.inode = (span.offset, first)  # names of one file, within this raw layer only
        return node
    node = Node(
        kind,
        0o777 if kind == "link" else member.mode & 0o7777,
        member.uid,
        member.gid,
        MADE if kind == "folder" else clamp_time(_whole_seconds(member), epoch),
    )
    if kind == "file":
        node.size = member.size
        node.origin = Span(span.archive, span.offset + member.offset_data, member.size)
        node.capability = member.pax_headers.get(_CAPABILITY, "").encode(errors="surrogateescape").hex()
    elif kind == "link":
        node.target = member.linkname
    elif kind in ("char", "block"):
        node.device = (member.devmajor, member.devminor)
    return node


def _whole_seconds(member: tarfile.TarInfo) -> int:
    """Round down, from the text: a float can't hold a fraction of nine digits."""
    whole, _, fraction = member.pax_headers.get("mtime", str(int(member.mtime))).partition(".")
    return int(whole) - (whole.startswith("-") and fraction.strip("0") != "")


def _hash_candidates(before: Mapping[str, Node], after: Mapping[str, Node]) -> None:
    """Hash files that may be the same as in the layer below."""
    for path, node in after.items():
        lower = before.get(path)
        if node.kind == "file" and not node.sha and lower is not None and lower.size == node.size:
            with open_span(node) as file:
                node.sha = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def open_span(node: Node) -> IO[bytes]:
    span: Span = node.origin
    return io.BufferedReader(_Part(span), 1 << 20)


class _Part(io.RawIOBase):
    """A seekable view of a part of a file."""

    def __init__(self, span: Span) -> None:
        self._file = span.archive.open("rb", buffering=0)
        self._start, self._size, self._position = span.offset, span.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(memoryview(buffer)[: max(0, self._size - self._position)]) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
