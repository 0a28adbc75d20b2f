"""Packages indexes in a compact form that opens instantly.

An index has some 70,000 stanzas in 56 MB of text, of which locking reads a few hundred. So a new index is reduced once
to the fields that matter, sorted by name, and written with tables of names and of provided names. Opening it again
verifies a checksum and reads the tables; stanzas are parsed on demand.

The file is a CRC of everything after it, a line of JSON (format, the index's own digest, the sections' lengths) and the
sections: names, ends of records, provided names, essential names, records.
"""

from __future__ import annotations

import itertools
import json
import lzma
import mmap
import operator
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from imagefab.debian.control import parse_stanza
from imagefab.debian.package import Package, read_package
from imagefab.digest import Digest

FORMAT = 3
"""Increases whenever the file, or what is kept of a stanza, changes; older files are then rebuilt."""

_CHECKSUM = 9
_KEPT = (
    "Package|Version|Architecture|Multi-Arch|Essential|Protected|Important|Priority|Provides|Pre-Depends|Depends|"
    "Conflicts|Breaks|Filename|Size|SHA256"
)
_FIELDS = re.compile(rf"^(?:{_KEPT}):.*(?:\n[ \t].*)*".encode(), re.MULTILINE)
# In apt's order.
_MENTIONING = (
    *(b"Pre-Depends", b"Depends", b"Conflicts", b"Breaks", b"Recommends"),
    *(b"Suggests", b"Replaces", b"Enhances", b"Provides"),
)
_MENTIONS = re.compile(rb"^(%s):(.*(?:\n[ \t].*)*)" % b"|".join(_MENTIONING), re.MULTILINE)
_MENTIONED_NAME = re.compile(rb"(?:^|[,|])\s*([A-Za-z0-9+.\-]+)(?![A-Za-z0-9+.\-:])")
_NAME = re.compile(rb"^Package: *([^\n]*)", re.MULTILINE)
_PROVIDES = re.compile(rb"^Provides: *(.*(?:\n[ \t].*)*)", re.MULTILINE)
_PROVIDED_NAME = re.compile(r"\s*([A-Za-z0-9+.\-]+)")


class BadIndexError(ValueError):
    """The data is not an index: rebuild it, or do not trust its source."""


class Index:
    """The packages of one suite, component and architecture."""

    def __init__(self, data: bytes | mmap.mmap, *, source: Digest, archive: str) -> None:
        self.archive = archive
        header_end, lengths = _read_header(data, source)
        bounds = list(itertools.accumulate(lengths, initial=header_end))
        names, ends, provided, essential = (data[a:b] for a, b in itertools.pairwise(bounds[:-1]))
        self._data = data
        self._start = bounds[4]
        self._ends = struct.unpack(f"<{len(ends) // 4}I", ends)
        self._places = dict(zip(names.decode().split("\n"), itertools.count(), strict=False)) if names else {}
        self._providers = dict(line.split(" ", 1) for line in provided.decode().split("\n") if line)
        self.essential: tuple[str, ...] = tuple(essential.decode().split())
        self._packages: dict[str, tuple[Package, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._places)

    def packages(self, name: str) -> tuple[Package, ...]:
        """Return all versions of that name, in the index's order."""
        found = self._packages.get(name)
        if found is None:
            found = self._packages[name] = self._read_packages(name)
        return found

    def providers(self, name: str) -> tuple[str, ...]:
        """Return the names of the packages that provide that name."""
        return tuple(self._providers.get(name, "").split())

    def _read_packages(self, name: str) -> tuple[Package, ...]:
        place = self._places.get(name)
        if place is None:
            return ()
        start = self._ends[place - 1] if place else 0
        record = self._data[self._start + start : self._start + self._ends[place]]
        return tuple(self._read_stanza(text) for text in record.decode().split("\n\n"))

    def _read_stanza(self, text: str) -> Package:
        try:
            fields = parse_stanza(text)
            return read_package(
                fields,
                archive=self.archive,
                path=fields["Filename"],
                size=int(fields["Size"]),
                sha256=Digest(fields["SHA256"]),
            )
        except (ValueError, KeyError) as error:
            raise BadIndexError(f"a stanza of {self.archive} is not a package: {error}") from error


def build_index(packages: bytes, *, source: Digest) -> bytes:
    """Return the compact form of a Packages file."""
    records: dict[bytes, list[bytes]] = {}
    provided: dict[str, list[str]] = {}
    essential: list[bytes] = []
    for stanza in packages.split(b"\n\n"):
        match = _NAME.search(stanza)
        if match is None:
            if stanza.strip():
                raise BadIndexError("a stanza has no package name")
            continue
        name = match[1].strip()
        versions = records.setdefault(name, [])
        versions.append(b"\n".join(_FIELDS.findall(stanza)))
        if b"\nEssential: yes" in stanza and name not in essential:
            essential.append(name)
        if b"\nProvides:" in stanza and (provides := _PROVIDES.search(stanza)):
            for part in provides[1].decode().split(","):
                if virtual := _PROVIDED_NAME.match(part):
                    provided.setdefault(virtual[1], []).append(name.decode())
    names = sorted(records)
    blobs = [b"\n\n".join(records[name]) for name in names]
    ends = itertools.accumulate(map(len, blobs), operator.add)
    sections = [
        b"\n".join(names),
        struct.pack(f"<{len(names)}I", *ends),
        "\n".join(_provider_lines(provided, _rank_mentions(packages, provided))).encode(),
        b" ".join(essential),
        b"".join(blobs),
    ]
    header = {"format": FORMAT, "source": source.hex, "lengths": list(map(len, sections))}
    content = b"".join((json.dumps(header, separators=(",", ":")).encode(), b"\n", *sections))
    return b"%08x " % zlib.crc32(content) + content


def _read_header(data: bytes | mmap.mmap, source: Digest) -> tuple[int, list[int]]:
    """Return where the header ends, and the lengths of the sections after it."""
    with memoryview(data) as view, view[_CHECKSUM:] as content:
        if data[:_CHECKSUM] != b"%08x " % zlib.crc32(content):
            raise BadIndexError("it is damaged or cut off")
    end = data.find(b"\n") + 1
    try:
        header = json.loads(data[_CHECKSUM:end])
        is_wanted = header["format"] == FORMAT and header["source"] == source.hex
        lengths: list[int] = header["lengths"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadIndexError("it is no index") from error
    if not is_wanted:
        raise BadIndexError("it has another format, or is another index")
    return end, lengths


def _provider_lines(provided: Mapping[str, Iterable[str]], ranks: Mapping[str, int]) -> Iterable[str]:
    for name in sorted(provided):
        providers = sorted(dict.fromkeys(provided[name]), key=ranks.__getitem__, reverse=True)
        yield " ".join((name, *providers))


def _rank_mentions(packages: bytes, provided: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return the order in which providers are first mentioned in the index, by themselves or by another package.

    apt numbers packages in that order and, if nothing else decides between two providers, takes the higher number. The
    order has no other meaning, but a build must not choose differently from apt.
    """
    unranked = {provider.encode() for providers in provided.values() for provider in providers}
    ranks: dict[str, int] = {}
    for stanza in packages.split(b"\n\n"):
        if not unranked:
            break
        own = _NAME.search(stanza)
        fields = dict(_MENTIONS.findall(stanza))
        text = b",".join(fields[name] for name in _MENTIONING if name in fields)
        for name in ([own[1].strip()] if own else []) + _MENTIONED_NAME.findall(text):
            if name in unranked:
                unranked.discard(name)
                ranks[name.decode()] = len(ranks)
    return ranks


def decompress_index(packed: Path, *, size: int, sha256: Digest) -> bytes:
    """Return the Packages file from a Packages.xz; never more than the size in the Release file."""
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
    try:
        data = unpacker.decompress(packed.read_bytes(), max_length=size + 1)
    except lzma.LZMAError as error:
        raise BadIndexError(f"it does not decompress: {error}") from error
    if len(data) != size or Digest.of_bytes(data) != sha256:
        raise BadIndexError("the decompressed index is not the one in the Release file")
    return data


def open_index(path: Path, *, source: Digest, archive: str) -> Index:
    """Open the index in that file; BadIndexError if it must be rebuilt, FileNotFoundError if there is none."""
    with path.open("rb") as file:
        try:
            data: bytes | mmap.mmap = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise BadIndexError("it is empty") from error
    return Index(data, source=source, archive=archive)
