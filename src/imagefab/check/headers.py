"""The headers of programs that are not ELF files: Windows', Apple's, and WebAssembly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

PE, MACH_O, WASM = "PE", "Mach-O", "WebAssembly"

_PE_MACHINES = {0x8664: "x86_64", 0x014C: "i686", 0xAA64: "aarch64"}
_MACH_O_MACHINES = {0x0100000C: "aarch64", 0x01000007: "x86_64"}
BITS = {
    (PE, "x86_64"): 64,
    (PE, "i686"): 32,
    (PE, "aarch64"): 64,
    (MACH_O, "aarch64"): 64,
    (MACH_O, "x86_64"): 64,
    (WASM, "wasm32"): 32,
    (WASM, "wasm64"): 64,
}
"""Format and a triple's first part → the size of a pointer in bits."""

_MOST = 4096
"""How many bytes of a file may contain the header."""


class UnreadableError(Exception):
    """Not a program, or a damaged one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    format: str
    machine: str
    """The machine's name in triples."""

    @property
    def bits(self) -> int:
        return BITS[self.format, self.machine]


def read_header(file: BinaryIO) -> Header | None:
    """Read the header, or return None for a file of another format. The file's position is reset to its start."""
    start = file.read(_MOST)
    file.seek(0)
    if start.startswith(b"MZ"):
        return Header(format=PE, machine=_read_pe(start))
    if start.startswith(b"\xcf\xfa\xed\xfe"):
        return Header(format=MACH_O, machine=_name(_MACH_O_MACHINES, int.from_bytes(start[4:8], "little")))
    if start.startswith(b"\0asm"):
        return Header(format=WASM, machine="wasm64" if _has_wide_memory(start) else "wasm32")
    return None


def _read_pe(start: bytes) -> str:
    place = int.from_bytes(start[0x3C:0x40], "little")
    if start[place : place + 4] != b"PE\0\0":
        raise UnreadableError("not a Windows program: it has a DOS header only")
    return _name(_PE_MACHINES, int.from_bytes(start[place + 4 : place + 6], "little"))


def _name(machines: dict[int, str], number: int) -> str:
    if number not in machines:
        raise UnreadableError(f"it is for an unknown machine, {number:#x}")
    return machines[number]


_IMPORTS, _MEMORIES = 2, 5
"""The sections of a WebAssembly module that declare memories; objects import theirs."""
_FUNCTION, _TABLE, _MEMORY, _GLOBAL, _TAG = range(5)


def _has_wide_memory(start: bytes) -> bool:
    """Return whether a WebAssembly module's memory has addresses of 64 bits; false if no memory is in sight."""
    reader = _Reader(start, 8)
    try:
        while True:
            section, size = reader.byte(), reader.number()
            end = reader.place + size
            if section == _IMPORTS:
                for _ in range(reader.number()):
                    flags = _read_import(reader)
                    if flags is not None:
                        return bool(flags & 4)
            if section == _MEMORIES and reader.number():
                return bool(reader.byte() & 4)
            reader.place = end
    except IndexError:
        return False


def _read_import(reader: _Reader) -> int | None:
    """Return the flags of an imported memory, or None for another import."""
    for _ in range(2):
        size = reader.number()
        reader.place += size
    kind = reader.byte()
    if kind == _MEMORY:
        return reader.byte()
    if kind == _TABLE:
        reader.byte()
        for _ in range(1 + (reader.byte() & 1)):
            reader.number()
    elif kind == _GLOBAL:
        reader.place += 2
    else:
        reader.place += 1 if kind == _TAG else 0
        reader.number()
    return None


class _Reader:
    """A place in a module."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data = data
        self.place = place

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def number(self) -> int:
        """Read a number in LEB128."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
