"""Clear-text signatures, as in InRelease files, told apart from any other OpenPGP data.

An OpenPGP library accepts any input: nested packets, even compressed ones, of which two megabytes unpack to thousands.
So it is only given data that is verified here to be a text with its signatures and nothing more.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_MIDDLE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_HASH = re.compile(rb"Hash: [A-Za-z0-9, -]{1,80}\Z")
_HEADER = re.compile(rb"(?:Version|Comment|Hash|Charset|MessageID): [ -~]{0,200}\Z")
_ARMOR = re.compile(rb"[A-Za-z0-9+/]{1,76}={0,2}\Z")
_MOST_ARMOR = 64 << 10
_MOST_SIGNATURES = 16
_SIGNATURE = 2
"""The tag of a signature packet."""


def check_clear_signed(data: bytes) -> None:
    """Raise ValueError unless data is one text with a clear-text signature, from its first byte to its last."""
    lines = iter(data.split(b"\n"))
    if _strip(next(lines)) != _BEGIN:
        raise ValueError("it has no clear-text signature")
    for line in map(_strip, lines):
        if not line:
            break
        if not _HASH.match(line):
            raise ValueError("an armor header other than `Hash:` precedes the signed text")
    for line in lines:
        if line.startswith(b"-") and not line.startswith(b"- "):
            if _strip(line) == _MIDDLE:
                break
            raise ValueError("a line of the signed text begins with a dash")
    _check_packets(_read_armor(map(_strip, lines)))


def _strip(line: bytes) -> bytes:
    return line.rstrip(b" \t\r")


def _read_armor(lines: Iterator[bytes]) -> bytes:
    for line in lines:
        if not line:
            break
        if not _HEADER.match(line):
            raise ValueError("the signature begins with something else")
    found: list[bytes] = []
    size = 0
    for line in lines:
        if line == _END:
            break
        size += len(line)
        if size > _MOST_ARMOR:
            raise ValueError("the signature is too large")
        found.append(line)
    else:
        raise ValueError("it has no end")
    if any(lines):
        raise ValueError("data follows the signature")
    if found and re.fullmatch(rb"=[A-Za-z0-9+/]{4}", found[-1]):
        # The armor's checksum is redundant: the signature covers more.
        found.pop()
    if not all(map(_ARMOR.match, found)):
        raise ValueError("the signature is not in base 64")
    try:
        return base64.b64decode(b"".join(found), validate=True)
    except binascii.Error:
        raise ValueError("the signature is not in base 64") from None


def _check_packets(data: bytes) -> None:
    """Raise ValueError unless all packets are signatures with an explicit length."""
    count = place = 0
    while place < len(data):
        tag, start, length = _read_header(data, place)
        count += 1
        if tag != _SIGNATURE or start + length > len(data) or count > _MOST_SIGNATURES:
            raise ValueError("it has packets other than signatures")
        place = start + length
    if not count:
        raise ValueError("it is empty")


def _read_header(data: bytes, place: int) -> tuple[int, int, int]:
    """Return a packet's tag, where its body begins, and the body's length; see RFC 9580, 4.2."""
    first, rest = data[place], data[place + 1 : place + 6]
    if first & 0xC0 == 0xC0:
        tag, one = first & 0x3F, rest[0] if rest else 255
        if one < 192:
            width, length = 1, one
        elif one < 224:
            width, length = 2, ((one - 192) << 8) + 192 + (rest[1] if len(rest) > 1 else 0)
        elif one == 255:
            width, length = 5, int.from_bytes(rest[1:5])
        else:
            raise ValueError("a packet's length is not known")
    elif first & 0x80:
        tag, kind = (first >> 2) & 0xF, first & 3
        if kind == 3:
            raise ValueError("a packet's length is not known")
        width = 1 << kind
        length = int.from_bytes(rest[:width])
    else:
        raise ValueError("there is data between packets")
    return tag, place + 1 + width, length
