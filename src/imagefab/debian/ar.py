"""The container format of a .deb: an ar archive of three members. Parsed strictly, because it is untrusted input."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, cast

from imagefab.errors import FetchError

MAGIC = b"!<arch>\n"
_HEADER = 60
_MOST_MEMBERS = 16


class DebError(FetchError):
    """Not a .deb, or one that must not be unpacked."""


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    offset: int
    size: int


def list_members(file: IO[bytes]) -> list[Member]:
    file.seek(0, io.SEEK_END)
    end = file.tell()
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise DebError("not a Debian package: no ar archive")
    members: list[Member] = []
    position = len(MAGIC)
    while position < end:
        file.seek(position)
        header = file.read(_HEADER)
        if len(header) < _HEADER or header[58:] != b"`\n":
            raise DebError("not a Debian package: a broken member header")
        try:
            name, size = header[:16].decode("ascii").rstrip().rstrip("/"), int(header[48:58])
        except ValueError:
            raise DebError("not a Debian package: a broken member header") from None
        member = Member(name, position + _HEADER, size)
        if size < 0 or member.offset + size > end:
            raise DebError("not a Debian package: a member ends after the file")
        if len(members) == _MOST_MEMBERS or any(m.name == name for m in members):
            raise DebError("not a Debian package: surplus members")
        members.append(member)
        position = member.offset + size + size % 2
    return members


def find_member(members: Sequence[Member], stem: str) -> Member:
    """Return the only member with that name, whatever its compression: `data.tar`."""
    found = [m for m in members if m.name == stem or m.name.startswith(f"{stem}.")]
    if len(found) != 1:
        raise DebError(f"not a Debian package: {len(found)} members {stem}")
    return found[0]


def open_member(file: IO[bytes], member: Member, *, decode: bool) -> IO[bytes]:
    """Open a member, decompressed if `decode` is set. The caller limits how much it reads."""
    raw = io.BufferedReader(_Slice(file, member.offset, member.size), 1 << 20)
    suffix = member.name.rpartition(".tar")[2]
    if not decode or suffix == "":
        return raw
    if suffix == ".xz":
        return lzma.open(raw)
    if suffix == ".gz":
        return cast(IO[bytes], gzip.open(raw))
    raise DebError(f"a package's {member.name} has an unsupported compression")


class _Slice(io.RawIOBase):
    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._position, self._end = file, offset, offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._file.seek(self._position)
        data = self._file.read(min(len(buffer), self._end - self._position))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
