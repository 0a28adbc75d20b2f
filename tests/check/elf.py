"""ELF files as small as they can be."""

from __future__ import annotations

import struct


def make_elf(*, machine: int = 183, interpreter: bool = False) -> bytes:
    """A 64-bit little-endian program with one segment, or with two."""
    segments = [(1, 5)] + ([(3, 4)] if interpreter else [])
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    programs = b"".join(struct.pack("<IIQQQQQQ", kind, flags, 0, 0, 0, 64, 64, 8) for kind, flags in segments)
    return ident + header + programs
