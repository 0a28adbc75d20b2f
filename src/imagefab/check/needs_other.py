"""What Windows' and Apple's programs, and WebAssembly, need: libraries, and the oldest system."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from imagefab.check.headers import MACH_O, PE, UnreadableError

_MOST = 1 << 30
_MOST_NAMES = 10_000
_NAME = re.compile(rb"[\x21-\x7e][\x20-\x7e]{0,300}")
_DYLIBS = {0xC, 0x80000018, 0x8000001F, 0x20}
"""LC_LOAD_DYLIB, weak, reexported, lazy."""
_SYSTEMS = {1: "macOS", 2: "iOS", 3: "tvOS", 4: "watchOS", 6: "Mac Catalyst", 7: "iOS simulator", 11: "visionOS"}
_LIBRARY_KINDS = {6: "library", 8: "library", 1: "object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    kind: str = "program"
    libraries: tuple[str, ...] = ()
    system: str | None = None


def read_other(file: BinaryIO, form: str) -> Found:
    data = file.read(_MOST)
    try:
        if form == PE:
            return _read_pe(data)
        return _read_mach_o(data) if form == MACH_O else Found(libraries=tuple(_list_modules(data)))
    except (struct.error, IndexError, ValueError) as error:
        raise UnreadableError(f"the file is damaged: {error}") from error


def _text(data: bytes, place: int) -> str:
    found = _NAME.match(data, place)
    if found is None:
        raise UnreadableError(f"the file is damaged: there is no name at {place:#x}")
    return found[0].decode("ascii")


# -- Windows -----------------------------------------------------------------------------------------------------------


def _read_pe(data: bytes) -> Found:
    (start,) = struct.unpack_from("<I", data, 0x3C)
    count, size, flags = struct.unpack_from("<2xH12xHH", data, start + 4)
    optional = start + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    major, minor = struct.unpack_from("<HH", data, optional + 48)
    directories = optional + (112 if magic == 0x20B else 96)
    sections = [struct.unpack_from("<8xIIII", data, optional + size + 40 * number) for number in range(count)]

    def place(address: int) -> int:
        for _, virtual, length, raw in sections:
            if virtual <= address < virtual + length:
                return int(address - virtual + raw)
        raise UnreadableError(f"the file is damaged: there is nothing at {address:#x}")

    names = [
        *_list_imports(data, place, directories + 8, entry=20, at=12),
        *_list_imports(data, place, directories + 8 * 13, entry=32, at=4),
    ]
    return Found(
        kind="library" if flags & 0x2000 else "program",
        libraries=tuple(dict.fromkeys(names)),
        system=f"Windows {major}.{minor}",
    )


def _list_imports(data: bytes, place: Callable[[int], int], directory: int, *, entry: int, at: int) -> Iterator[str]:
    """Yield the names of a table of imports: those that are loaded at the start, or those loaded later."""
    address, size = struct.unpack_from("<II", data, directory)
    if not address or not size:
        return
    table = place(address)
    for number in range(_MOST_NAMES):
        (name,) = struct.unpack_from("<I", data, table + number * entry + at)
        if not name:
            return
        yield _text(data, place(name))


# -- Apple -------------------------------------------------------------------------------------------------------------


def _read_mach_o(data: bytes) -> Found:
    kind, count = struct.unpack_from("<II", data, 12)
    place, libraries, system = 32, [], None
    for _ in range(min(count, _MOST_NAMES)):
        command, size = struct.unpack_from("<II", data, place)
        if size < 8:
            raise UnreadableError("the file is damaged: a load command has no size")
        if command in _DYLIBS:
            (offset,) = struct.unpack_from("<I", data, place + 8)
            libraries.append(_text(data, place + offset))
        elif command == 0x32:
            platform, oldest = struct.unpack_from("<II", data, place + 8)
            system = f"{_SYSTEMS.get(platform, f'platform {platform}')} {oldest >> 16}.{oldest >> 8 & 0xFF}"
        elif command == 0x24:
            (oldest,) = struct.unpack_from("<I", data, place + 8)
            system = f"macOS {oldest >> 16}.{oldest >> 8 & 0xFF}"
        place += size
    return Found(kind=_LIBRARY_KINDS.get(kind, "program"), libraries=tuple(libraries), system=system)


# -- WebAssembly -------------------------------------------------------------------------------------------------------


def _list_modules(data: bytes) -> Iterator[str]:
    """Yield the modules that imports come from, each once. A component, which is not a module, has none."""
    if data[4:8] != b"\1\0\0\0":
        return
    place = 8
    while place < len(data):
        section, place = data[place], place + 1
        size, place = _read_number(data, place)
        if section == 2:
            yield from dict.fromkeys(_list_import_modules(data, place))
            return
        place += size


def _list_import_modules(data: bytes, place: int) -> Iterator[str]:
    count, place = _read_number(data, place)
    for _ in range(min(count, _MOST_NAMES)):
        length, place = _read_number(data, place)
        yield data[place : place + length].decode("ascii", "replace")
        place += length
        length, place = _read_number(data, place)
        place = _skip_type(data, place + length)


def _skip_type(data: bytes, place: int) -> int:
    kind, place = data[place], place + 1
    if kind == 0:
        return _read_number(data, place)[1]
    if kind in (1, 2):
        place += kind == 1
        flags, place = data[place], place + 1
        _, place = _read_number(data, place)
        return _read_number(data, place)[1] if flags & 1 else place
    return place + 2


def _read_number(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, place = data[place], place + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, place
        if shift > 35:
            raise UnreadableError("the file is damaged: a number is too long")
