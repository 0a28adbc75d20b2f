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


def make_arm_elf(attributes: bytes | None) -> bytes:
    """A 32-bit program for Arm, with a section of attributes if given."""
    names = b"\0.ARM.attributes\0.shstrtab\0"
    content = attributes or b""
    sections = [(0, 0, 0, 0)]
    if attributes is not None:
        sections.append((1, 0x70000003, 84, len(content)))
    sections.append((17, 3, 84 + len(content), len(names)))
    table = 84 + len(content) + len(names)
    ident = b"\x7fELF" + bytes([1, 1, 1, 0]) + bytes(8)
    header = struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, 0, 52, table, 0x5000400, 52, 32, 1, 40, len(sections),
                         len(sections) - 1)  # fmt: skip
    segment = struct.pack("<IIIIIIII", 1, 0, 0, 0, 84, 84, 5, 4)
    rows = (
        struct.pack("<IIIIIIIIII", name, kind, 0, 0, place, size, 0, 0, 1, 0) for name, kind, place, size in sections
    )
    return ident + header + segment + content + names + b"".join(rows)


def make_arm_attributes(*pairs: int, vendor_size: int | None = None, file_size: int | None = None) -> bytes:
    """As the ABI for Arm has them; sizes can be lies."""
    tags = bytes(pairs)
    file = struct.pack("<BI", 1, 5 + len(tags) if file_size is None else file_size) + tags
    vendor = struct.pack("<I", 10 + len(file) if vendor_size is None else vendor_size) + b"aeabi\0" + file
    return b"A" + vendor


def make_sections(*sections: tuple[bytes, int, int, bytes, int, int], machine: int = 62) -> bytes:
    """A 64-bit program of sections alone: name, kind, flags, content, link and info of each. The names come last."""
    names = b"\0" + b"\0".join(name for name, *_ in sections) + b"\0.shstrtab\0"
    rows, content = [bytes(64)], b""
    for name, kind, flags, data, link, info in (*sections, (b".shstrtab", 3, 0, names, 0, 0)):
        place = 64 + len(content)
        rows.append(struct.pack("<IIQQQQIIQQ", names.index(name), kind, flags, 0, place, len(data), link, info, 1, 0))
        content += data
    ident = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 0, 64 + len(content), 0, 64, 56, 0, 64, len(rows),
                         len(rows) - 1)  # fmt: skip
    return ident + header + content + b"".join(rows)
