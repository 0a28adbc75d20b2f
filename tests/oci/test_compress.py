"""Gzip members: the same whatever compressed them, and plain gzip to everybody else."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagefab.oci import compress
from imagefab.oci.compress import MemberWriter, decompress_member

MEMBER = 64 << 10
DATA = random.Random(1).randbytes(5 * MEMBER + 999) + b"text " * 50_000


@pytest.fixture(autouse=True)
def small_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compress, "MEMBER", MEMBER)


def pack(data: bytes, *, threads: int = 2, ahead: int = 4, piece: int = 10_000) -> tuple[bytes, MemberWriter]:
    out = io.BytesIO()
    with ThreadPoolExecutor(threads) as pool:
        writer = MemberWriter(out, pool, ahead)
        for start in range(0, len(data), piece):
            writer.write(memoryview(data)[start : start + piece])
        plain, packed = writer.close()
    assert plain == hashlib.sha256(data).hexdigest()
    assert packed == hashlib.sha256(out.getvalue()).hexdigest()
    assert (writer.plain_size, writer.size) == (len(data), len(out.getvalue()))
    return out.getvalue(), writer


@pytest.mark.parametrize(("threads", "ahead", "piece"), [(1, 1, 1000), (4, 2, 77_777), (8, 20, 1 << 20)])
def test_members_do_not_depend_on_threads_or_pieces(threads: int, ahead: int, piece: int) -> None:
    assert pack(DATA, threads=threads, ahead=ahead, piece=piece)[0] == pack(DATA)[0]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_a_full_last_member_is_the_last(count: int) -> None:
    data = DATA[: count * MEMBER]
    for ahead in (1, 4):
        packed, writer = pack(data, ahead=ahead)
        assert len(writer.members) == max(1, count)
        assert gzip.decompress(packed) == data


def test_other_readers_of_gzip() -> None:
    packed, _ = pack(DATA)
    assert gzip.decompress(packed) == DATA
    assert subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True).stdout == DATA


def test_members_are_read_one_by_one() -> None:
    packed, writer = pack(DATA)
    position, plain = 0, b""
    for size in writer.members:
        member = packed[position : position + size]
        assert zlib.decompress(member, wbits=31) == decompress_member(member)
        plain += decompress_member(member)
        position += size
    assert (position, plain) == (len(packed), DATA)


def test_headers_carry_neither_time_nor_name() -> None:
    packed, _ = pack(b"x")
    assert packed[:4] == b"\x1f\x8b\x08\x00"
    assert packed[4:8] == b"\0\0\0\0"


def test_the_bytes_of_the_codec_are_pinned() -> None:
    """When this changes, every layer's digest changes: the codec or its level is not the one that was pinned."""
    packed, _ = pack("".join(f"usr/lib/{n}/{n * n % 977}.so\n" for n in range(9000)).encode() + bytes(range(256)) * 40)
    assert hashlib.sha256(packed).hexdigest() == "8d90c4fbe596344865b6667a95574de99d865f6ecfed6846bfa51bda8afa126d"


@pytest.mark.parametrize("data", [b"", b"no gzip", compress.compress_member(b"x" * 100)[:-1]])
def test_damaged_members_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decompress_member(data)
