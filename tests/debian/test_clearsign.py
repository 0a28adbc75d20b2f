"""Clear-text signatures and what only looks like one."""

from __future__ import annotations

import base64
import contextlib

import pysequoia
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.clearsign import check_clear_signed

TEXT = b"Origin: Debian\n- a line with a dash\n\nEnd: 1\n"


@pytest.fixture(scope="module")
def good(secret: pysequoia.Tsk) -> bytes:
    return bytes(pysequoia.sign(secret.signer(), TEXT, mode=pysequoia.SignatureMode.CLEAR))


def wrap(packets: bytes, *, before: str = "Hash: SHA512", armor: str = "") -> bytes:
    """Packets in the place of a signature."""
    lines = base64.encodebytes(packets).decode()
    return (
        f"-----BEGIN PGP SIGNED MESSAGE-----\n{before}\n\nx: y\n-----BEGIN PGP SIGNATURE-----\n{armor}\n{lines}"
        "-----END PGP SIGNATURE-----\n"
    ).encode()


def test_good_ones(good: bytes) -> None:
    check_clear_signed(good)
    check_clear_signed(good.replace(b"\n", b"\r\n"))
    check_clear_signed(wrap(b"\xc2\x01x" * 16, armor="Version: GnuPG v2\n"))
    check_clear_signed(wrap(b"\xc2\x01x", before=""))
    check_clear_signed(wrap(b"\xc2\xc0\x00" + bytes(192) + b"\x89\x00\x02xx" + b"\xc2\xff\x00\x00\x00\x01x"))


@pytest.mark.parametrize(
    "packets",
    [
        b"",
        b"\xc2\x05x",
        b"\xc2",
        b"\xc2\xe1xx",
        b"\x8bxx",
        b"\xc8\x01x",
        b"\xc2\x01x\xcb\x01x",
        b"\xa0\x01x",
        b"\x02\x01x",
        b"\xc2\x01x" * 17,
        b"\xc2\xff\xff\xff\xff\xffx",
    ],
    ids=["none", "cut off", "no length", "partial", "no end", "compressed", "literal", "old", "none of them", "many",
         "long"],
)  # fmt: skip
def test_other_packets(packets: bytes) -> None:
    with pytest.raises(ValueError, match=r"packet|empty"):
        check_clear_signed(wrap(packets))


def test_frames_that_are_not_strict(good: bytes) -> None:
    packet = b"\xc2\x01x"
    for data, why in (
        (b"", "no clear-text signature"),
        (b"x" + good, "no clear-text signature"),
        (wrap(packet, before="Comment: x"), "other than `Hash:`"),
        (wrap(packet, armor="Anything: x\n"), "begins with something else"),
        (good.replace(b"- - a line", b"-- a line"), "begins with a dash"),
        (good + b"x", "follows the signature"),
        (good[:-20], "no end"),
        (good.partition(b"-----BEGIN PGP SIGNATURE")[0], "no end"),
        (wrap(packet).replace(b"wgF4", b"wg*4"), "base 64"),
        (wrap(packet).replace(b"wgF4", b"wgF4wgF"), "base 64"),
        (wrap(b"\xc2\xff" + (100_000).to_bytes(4) + bytes(100_000)), "too large"),
    ):
        with pytest.raises(ValueError, match=why):
            check_clear_signed(data)


@given(st.binary(max_size=200))
def test_any_packets(packets: bytes) -> None:
    with contextlib.suppress(ValueError):
        check_clear_signed(wrap(packets))
