"""The first bytes of programs: of real ones, of damaged ones, and of anything at all."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.check.elf import make_elf

from imagefab.check.headers import BITS, MACH_O, PE, WASM, UnreadableError, read_header
from imagefab.check.product import find_fault, read_binary

WASM_FILE = b"\0asm\1\0\0\0"


def make_pe(*, machine: int = 0x8664, place: int = 0x80, signature: bytes = b"PE\0\0") -> bytes:
    """A program for Windows up to its machine's number: DOS's header, its little program, the signature, COFF's."""
    dos = b"MZ" + bytes(0x3A) + struct.pack("<I", place)
    # A place can be far beyond the end.
    between = min(max(0, place - len(dos)), 0x1000)
    stub = b"This program cannot be run in DOS mode.\r\r\n$".ljust(between, b"\0")
    return dos + stub[:between] + signature + struct.pack("<HHIIIHH", machine, 0, 0, 0, 0, 0xF0, 0x22)


def make_mach_o(*, machine: int = 0x0100000C, magic: bytes = b"\xcf\xfa\xed\xfe") -> bytes:
    return magic + struct.pack("<IIIIIII", machine, 0, 2, 0, 0, 0x85, 0)


def make_wasm(*sections: tuple[int, bytes]) -> bytes:
    return WASM_FILE[:8] + b"".join(bytes([number, len(data)]) + data for number, data in sections)


@pytest.mark.parametrize(
    ("content", "kind", "machine", "bits"),
    [
        (make_pe(), PE, "x86_64", 64),
        (make_pe(machine=0x014C), PE, "i686", 32),
        (make_pe(machine=0xAA64), PE, "aarch64", 64),
        (make_pe(place=0xF8), PE, "x86_64", 64),
        (make_mach_o(), MACH_O, "aarch64", 64),
        (make_mach_o(machine=0x01000007), MACH_O, "x86_64", 64),
        (WASM_FILE, WASM, "wasm32", 32),
        (make_wasm((5, b"\x01\x00\x02")), WASM, "wasm32", 32),
        (make_wasm((1, b"\x00"), (5, b"\x01\x04\x02")), WASM, "wasm64", 64),
        (make_wasm((2, b"\x02\x01a\x01f\x00\x00\x03env\x03mem\x02\x04\x00")), WASM, "wasm64", 64),
        (make_wasm((2, b"\x03\x01a\x01t\x01\x70\x01\x00\x02\x01a\x01g\x03\x7f\x00\x01a\x01m\x02\x00\x01")),
         WASM, "wasm32", 32),
    ],
)  # fmt: skip
def test_what_is_read(content: bytes, kind: str, machine: str, bits: int) -> None:
    file = io.BytesIO(content + bytes(100))
    header = read_header(file)
    assert header is not None
    assert (header.format, header.machine, header.bits) == (kind, machine, bits)
    assert file.tell() == 0


@pytest.mark.parametrize("content", [b"", b"M", b"#!/bin/sh\n", make_elf(), b"\0as", b"\xca\xfe\xba\xbe" + bytes(40)])
def test_other_files_are_left_to_others(content: bytes) -> None:
    file = io.BytesIO(content)
    assert read_header(file) is None
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"MZ", "a DOS header only"),
        (make_pe()[:0x82], "a DOS header only"),
        (make_pe(signature=b"NE\0\0"), "a DOS header only"),
        (make_pe(place=0xFFFFFFF0)[:0x40], "a DOS header only"),
        (make_pe(machine=0x0200), "unknown machine, 0x200"),
        (make_pe()[:0x84], "unknown machine, 0x0"),
        (make_mach_o(machine=0x01000012), "unknown machine, 0x1000012"),
        (make_mach_o()[:4], "unknown machine, 0x0"),
    ],
)
def test_what_is_damaged_or_for_nobody(content: bytes, told: str) -> None:
    with pytest.raises(UnreadableError, match=told):
        read_header(io.BytesIO(content))


@given(st.sampled_from([b"", b"MZ", b"\xcf\xfa\xed\xfe", b"\0asm", make_pe()[:0x3C]]), st.binary(max_size=300))
def test_anything(start: bytes, rest: bytes) -> None:
    try:
        header = read_header(io.BytesIO(start + rest))
    except UnreadableError:
        return
    assert header is None or (header.format, header.machine) in BITS


@given(st.integers(0, 0x80), st.binary(min_size=1, max_size=4))
def test_a_damaged_header_is_read_or_refused(place: int, damage: bytes) -> None:
    content = bytearray(make_pe())
    content[place : place + len(damage)] = damage
    try:
        header = read_header(io.BytesIO(bytes(content)))
    except UnreadableError:
        return
    assert header is None or header.format in (PE, WASM, MACH_O)


@pytest.mark.parametrize(
    ("content", "triple", "fault"),
    [
        (make_pe(), "x86_64-pc-windows-gnu", None),
        (make_pe(machine=0x014C), "x86_64-pc-windows-gnu", "another machine: i686, 32 bits"),
        (make_elf(), "x86_64-pc-windows-gnu", "format ELF, not PE"),
        (make_pe(), "aarch64-unknown-linux-gnu", "format PE, not ELF"),
        (make_mach_o(), "aarch64-apple-darwin", None),
        (WASM_FILE, "wasm32-wasip1", None),
        (WASM_FILE, "wasm32-unknown-unknown", None),
        (WASM_FILE, "wasm32v1-none", None),
        (WASM_FILE, "wasm64-unknown-unknown", "another machine: wasm32, 32 bits"),
        (make_pe(), "x86_64-unknown-uefi", None),
        (make_elf(), "wasm32-wasip1", "format ELF, not WebAssembly"),
    ],
)
def test_whether_it_is_for_the_target(content: bytes, triple: str, fault: str | None, tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(content)
    found = find_fault(read_binary(tmp_path / "program"), triple, static=False)
    assert fault is None if found is None else fault is not None and fault in found
