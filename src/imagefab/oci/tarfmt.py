"""The tar format of canonical layers: ustar, pax records only if ustar has no room, no names, whole seconds.

The reader is for canonical layers only; others are read with the standard library's tarfile. A layer may come from
another machine, so entries are checked against the rules of the canonical form before they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imagefab.oci.tree import MADE, Node

BLOCK = 512
END = b"\0" * (2 * BLOCK)
WHITEOUT = ".wh."

_TYPES = {"file": b"0", "folder": b"5", "link": b"2", "char": b"3", "block": b"4", "fifo": b"6"}
_KINDS = {flag: kind for kind, flag in _TYPES.items()}
_CAPABILITY = "SCHILY.xattr.security.capability"
_MOST_RECORDS = 1 << 20
_MOST_ID = (1 << 32) - 1
_MOST_SHOWN = 200


def padding(size: int) -> bytes:
    return b"\0" * (-size % BLOCK)


def encode_node(path: str, node: Node, hard_link: str | None = None) -> bytes:
    """The header of an entry, with its pax record if it needs one. Content and padding follow it."""
    name = path.encode(errors="surrogateescape")
    if node.kind == "folder":
        name += b"/"
    if hard_link is not None:
        target, flag, size = hard_link.encode(errors="surrogateescape"), b"1", 0
    else:
        target, flag = node.target.encode(errors="surrogateescape"), _TYPES[node.kind]
        size = node.size if node.kind == "file" else 0
    records: dict[str, bytes] = {}
    if len(name) > 100:
        records["path"], name = name, name[:100]
    if len(target) > 100:
        records["linkpath"], target = target, target[:100]
    if size >= 1 << 33:
        records["size"] = str(size).encode()
    if node.uid >= 1 << 21:
        records["uid"] = str(node.uid).encode()
    if node.gid >= 1 << 21:
        records["gid"] = str(node.gid).encode()
    if node.capability and hard_link is None:
        records[_CAPABILITY] = bytes.fromhex(node.capability)
    header = _encode_header(
        name,
        mode=node.mode,
        uid=0 if "uid" in records else node.uid,
        gid=0 if "gid" in records else node.gid,
        size=0 if "size" in records else size,
        mtime=max(0, node.mtime),
        flag=flag,
        target=target,
        device=node.device if node.kind in ("char", "block") else None,
    )
    if not records:
        return header
    body = b"".join(_encode_record(key, records[key]) for key in sorted(records))
    extended = _encode_header(b"pax", mode=0o644, size=len(body), mtime=max(0, node.mtime), flag=b"x")
    return extended + body + padding(len(body)) + header


def encode_whiteout(path: str) -> bytes:
    folder, _, name = path.rpartition("/")
    marker = f"{folder}/{WHITEOUT}{name}" if folder else f"{WHITEOUT}{name}"
    return encode_node(marker, Node("file", 0o644, mtime=MADE))


def _encode_header(
    name: bytes,
    *,
    mode: int,
    flag: bytes,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] | None = None,
) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    devices = b"%07o\0%07o\0" % device if device else b"\0" * 16
    header = b"%s%s        %s%s%s%s%s" % (
        name.ljust(100, b"\0"),
        numbers,
        flag,
        target.ljust(100, b"\0"),
        b"ustar\00000" + b"\0" * 64,
        devices,
        b"\0" * 167,
    )
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def _encode_record(key: str, value: bytes) -> bytes:
    body = b" %s=%s\n" % (key.encode(), value)
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d%s" % (length, body)


@dataclass(slots=True)
class TarEntry:
    """One entry of a canonical tar: what to create, without a file's content."""

    path: str
    node: Node
    hard_link: str | None


class TarError(ValueError):
    """The bytes are not a canonical tar."""


class _Rules:
    """The rules for entries of a canonical layer, so that unpacking one touches nothing outside its folder.

    Entries are in order, each path occurs once, and its parent folders come before it. So whatever a lower layer left
    at a parent's path, even a link, has become a folder of the new root by the time something is unpacked into it.
    """

    def __init__(self) -> None:
        self._last: list[bytes] = []
        self._kinds: dict[str, str] = {}
        self._removed: set[str] = set()

    def check(self, entry: TarEntry) -> None:
        """Raise ValueError for an entry that no canonical layer has at this place."""
        parts = entry.path.split("/")
        if "\0" in entry.path or not {"", ".", ".."}.isdisjoint(parts):
            raise ValueError("a path that leads elsewhere")
        order = entry.path.encode(errors="surrogateescape").split(b"/")
        if order <= self._last:
            raise ValueError("it is out of order")
        self._last = order
        folder, name = "/".join(parts[:-1]), parts[-1]
        if folder and self._kinds.get(folder) != "folder":
            raise ValueError("what it is in is no folder of the layer")
        if name.startswith(WHITEOUT):
            self._check_whiteout(entry, folder, name.removeprefix(WHITEOUT))
        elif entry.path in self._removed:
            raise ValueError("the layer removes it")
        self._check_node(entry)
        self._kinds[entry.path] = entry.node.kind if entry.hard_link is None else "hard link"

    def _check_whiteout(self, entry: TarEntry, folder: str, name: str) -> None:
        path = f"{folder}/{name}" if folder else name
        if name in ("", ".", "..") or name.startswith(WHITEOUT):
            raise ValueError("it removes no single path")
        if entry.node.kind != "file" or entry.node.size or entry.hard_link is not None:
            raise ValueError("what removes a path is an empty file")
        if path in self._kinds:
            raise ValueError("it removes what the layer has")
        self._removed.add(path)

    def _check_node(self, entry: TarEntry) -> None:
        node = entry.node
        if node.kind in ("char", "block"):
            raise ValueError("a device file")
        if entry.hard_link is not None and self._kinds.get(entry.hard_link) != "file":
            raise ValueError("a hard link to no file before it")
        if not 0 <= node.mode <= 0o7777 or not (0 <= node.uid < _MOST_ID and 0 <= node.gid < _MOST_ID):
            raise ValueError("no such mode or owner")
        if "\0" in node.target:
            raise ValueError("a link to no path")


class TarReader:
    """Reads a canonical tar from chunks, and holds one at a time."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = memoryview(b"")
        self._before = 0
        """The total length of the previous chunks."""
        self._place = 0
        self._left = 0
        """How much of the current entry's content is unread."""
        self._padding = 0
        self.header = b""
        """The bytes of the current entry before its content."""

    def entries(self) -> Iterator[TarEntry]:
        """Read a layer's entries, skipping unread content. Raises TarError at the first that breaks the rules."""
        rules = _Rules()
        for entry in self.raw_entries():
            try:
                rules.check(entry)
            except ValueError as error:
                raise TarError(f"{entry.path[:_MOST_SHOWN]!r}: {error}") from None
            yield entry

    def raw_entries(self) -> Iterator[TarEntry]:
        """Read the entries without checking them, so nothing may be created from them."""
        records: dict[str, bytes] = {}
        before = b""
        while True:
            start = self._before + self._place
            header = self._read(BLOCK)
            if not header.strip(b"\0"):
                return
            try:
                size = int(header[124:135], 8)
                if header[156:157] == b"x":
                    body = self._read_record(size)
                    records, before = _decode_records(body), header + body + padding(size)
                    continue
                entry = _decode_entry(header, records, size)
            except (ValueError, KeyError) as error:
                raise TarError(f"at byte {start}: {error}") from error
            self.header, records, before = before + header, {}, b""
            self._begin_content(int(entry.node.size))
            yield entry
            for _ in self.content():
                pass
            self._read(self._padding)

    def finish(self) -> None:
        """Raise TarError if anything but the end follows the entries."""
        if self._read(BLOCK).strip(b"\0") or self._place < len(self._chunk) or any(map(len, self._chunks)):
            raise TarError(f"at byte {self._before + self._place}: goes on after its end")

    def content(self) -> Iterator[memoryview]:
        """The rest of the current entry's content, piece by piece."""
        while self._left:
            piece = self._take(self._left)
            self._left -= len(piece)
            yield piece

    def _begin_content(self, size: int) -> None:
        self._left, self._padding = size, -size % BLOCK

    def _read_record(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_RECORDS:
            raise ValueError(f"a record of {size} bytes")
        return self._read(size + -size % BLOCK)[:size]

    def _read(self, size: int) -> bytes:
        found = self._take(size)
        if len(found) == size:
            return bytes(found)
        parts = [found]
        while (missing := size - sum(map(len, parts))) > 0:
            parts.append(self._take(missing))
        return b"".join(parts)

    def _take(self, most: int) -> memoryview:
        """The next bytes: at least one, and at most as many as asked for."""
        while self._place == len(self._chunk) and most:
            self._before += len(self._chunk)
            self._place = 0
            try:
                self._chunk = memoryview(next(self._chunks))
            except StopIteration:
                raise TarError(f"at byte {self._before}: ends in the middle") from None
        found = self._chunk[self._place : self._place + most]
        self._place += len(found)
        return found


def _decode_entry(header: bytes, records: Mapping[str, bytes], size: int) -> TarEntry:
    flag = header[156:157]
    if "size" in records:
        size = int(records["size"])
    if size < 0:
        raise ValueError(f"an entry of {size} bytes")
    name = records.get("path", header[:100].rstrip(b"\0")).decode(errors="surrogateescape")
    target = records.get("linkpath", header[157:257].rstrip(b"\0")).decode(errors="surrogateescape")
    node = Node(
        "file" if flag == b"1" else _KINDS[flag],  # type: ignore[arg-type]
        mode=int(header[100:107], 8),
        uid=int(records.get("uid", header[108:115]), 8 if "uid" not in records else 10),
        gid=int(records.get("gid", header[116:123]), 8 if "gid" not in records else 10),
        size=size,
        mtime=int(header[136:147], 8),
        target="" if flag == b"1" else target,
        capability=records.get(_CAPABILITY, b"").hex(),
    )
    if node.kind in ("char", "block"):
        node.device = (int(header[329:336], 8), int(header[337:344], 8))
    return TarEntry(name.rstrip("/"), node, target if flag == b"1" else None)


def _decode_records(body: bytes) -> dict[str, bytes]:
    records: dict[str, bytes] = {}
    while body:
        digits, _, _ = body.partition(b" ")
        length = int(digits)
        record = body[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not (len(digits) < length <= len(body)) or not equals or not value.endswith(b"\n"):
            raise ValueError("a broken pax record")
        records[key.decode()] = value[:-1]
        body = body[length:]
    return records
