"""Release files: signatures, dates and contents."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

import pysequoia
import pytest
from pysequoia.packet import PacketPile

from imagefab.debian.release import _find_end, read_release, shipped_keys, verify_release
from imagefab.errors import FetchError

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RELEASE = """\
Origin: Debian
Suite: stable
Codename: trixie
Date: Thu, 19 Nov 2026 00:00:00 UTC
Valid-Until: Thu, 26 Nov 2026 00:00:00 UTC
Acquire-By-Hash: yes
Architectures: all amd64
Components: main
SHA256:
 {hash} 12 main/binary-amd64/Packages
 {hash} 7 main/binary-amd64/Packages.xz
""".format(hash="ab" * 32)


def sign(secret: pysequoia.Tsk, text: str = RELEASE) -> bytes:
    return bytes(pysequoia.sign(secret.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR))


@pytest.fixture(scope="module")
def keys(secret: pysequoia.Tsk) -> tuple[bytes, ...]:
    return (bytes(secret.extract_certificate()),)


def test_fields(secret: pysequoia.Tsk, keys: tuple[bytes, ...]) -> None:
    release = read_release(sign(secret), suite="trixie", now=NOW, keys=keys)
    assert release.names == ("trixie", "stable")
    assert f"{release.date:%Y%m%dT%H%M%SZ}" == "20261119T000000Z"
    assert release.architectures == ("all", "amd64") and release.has_own_index_for_all and release.by_hash
    found = release.find_file("main/binary-amd64/Packages.xz")
    assert found is not None and (found.size, found.sha256.hex) == (7, "ab" * 32)
    assert release.find_file("main/binary-amd64/Packages.x") is None
    assert release.find_file("binary-amd64/Packages") is None
    assert read_release(sign(secret), suite="stable", now=NOW, keys=keys).names == release.names


def test_another_suite(secret: pysequoia.Tsk, keys: tuple[bytes, ...]) -> None:
    with pytest.raises(FetchError, match="the archive answered a request for suite bookworm with trixie / stable"):
        read_release(sign(secret), suite="bookworm", now=NOW, keys=keys)


def test_an_expired_one(secret: pysequoia.Tsk, keys: tuple[bytes, ...]) -> None:
    read_release(sign(secret), suite="trixie", now=NOW + timedelta(days=6), keys=keys)
    with pytest.raises(FetchError, match="expired on 2026-11-26 00:00") as caught:
        read_release(sign(secret), suite="trixie", now=NOW + timedelta(days=6, seconds=1), keys=keys)
    assert caught.value.hint is not None and "clock" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"), [(b"Codename: trixie", b"Codename: sid"), (b" 12 main", b" 13 main"), (b"\n\niQ", b"\n\niR")]
)
def test_a_changed_one(secret: pysequoia.Tsk, keys: tuple[bytes, ...], old: bytes, new: bytes) -> None:
    data = sign(secret)
    changed = data.replace(old, new)
    if changed == data:
        changed = data[:-200] + b"AAAA" + data[-196:]
    with pytest.raises(FetchError, match="signature") as caught:
        verify_release(changed, now=NOW, keys=keys)
    assert "\n" not in caught.value.problem


def test_another_keys_signature(keys: tuple[bytes, ...]) -> None:
    another = pysequoia.Tsk.generate("Debian Archive <ftpmaster@debian.org>")
    with pytest.raises(FetchError, match="signature"):
        verify_release(sign(another), now=NOW, keys=keys)


@pytest.mark.parametrize("data", [b"", b"<html>", RELEASE.encode(), b"-----BEGIN PGP SIGNED MESSAGE-----\n"])
def test_no_signature_at_all(keys: tuple[bytes, ...], data: bytes) -> None:
    with pytest.raises(FetchError, match="signature"):
        verify_release(data, now=NOW, keys=keys)


def test_only_signed_bytes_count(secret: pysequoia.Tsk, keys: tuple[bytes, ...]) -> None:
    good = sign(secret)
    assert verify_release(good, now=NOW, keys=keys).startswith(b"Origin: Debian")
    for data in (b"Codename: sid\n" + good, good + b"Codename: sid\n", good + good):
        with pytest.raises(FetchError, match="signature"):
            verify_release(data, now=NOW, keys=keys)


def test_only_clear_text_is_given_to_the_library(
    secret: pysequoia.Tsk, keys: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed as a message, the same text could be compressed a thousand times."""
    message = pysequoia.sign(secret.signer(), RELEASE.encode(), mode=pysequoia.SignatureMode.INLINE)
    binary = pysequoia.sign(secret.signer(), RELEASE.encode(), mode=pysequoia.SignatureMode.INLINE, armor=False)
    assert pysequoia.verify(message, store=lambda _: [secret.extract_certificate()]).bytes == RELEASE.encode()
    monkeypatch.setattr(pysequoia, "verify", lambda *_, **__: pytest.fail("it was read"))
    packed = zlib.compress(bytes(1 << 20))
    compressed = b"\xc8\xff" + (len(packed) + 1).to_bytes(4) + b"\x02" + packed
    armored = pysequoia.armor(compressed, pysequoia.ArmorKind.Message).encode()
    for data in (message, binary, compressed, armored, b"\n" + sign(secret)):
        with pytest.raises(FetchError, match="is not valid: it has no clear-text signature"):
            verify_release(bytes(data), now=NOW, keys=keys)


def test_keys_that_expired() -> None:
    """What is signed today by a key of yesterday may be from whoever stole it since."""
    secret = pysequoia.Tsk.generate("Old archive", validity_seconds=3600)
    data, keys = sign(secret), (bytes(secret.extract_certificate()),)
    verify_release(data, now=datetime.now(UTC), keys=keys)
    with pytest.raises(FetchError, match="its key expired on") as caught:
        verify_release(data, now=datetime.now(UTC) + timedelta(hours=2), keys=keys)
    assert caught.value.hint is not None and "newer keys" in caught.value.hint


def test_a_key_of_the_archive_expires_when_it_says() -> None:
    """Each has a key below it that signs, with an end of its own."""
    for key in shipped_keys():
        (cert,) = pysequoia.Cert.split_bytes(key)
        signs = [one.fingerprint for one in PacketPile.from_bytes(bytes(cert)) if one.fingerprint is not None]
        assert all(_find_end(cert, fingerprint) == cert.expiration for fingerprint in signs)


@pytest.mark.parametrize("gone", ["Date", "Architectures", "SHA256"])
def test_a_field_that_is_missing(secret: pysequoia.Tsk, keys: tuple[bytes, ...], gone: str) -> None:
    text = RELEASE.replace(f"{gone}:", f"X-{gone}:")
    with pytest.raises(FetchError, match="cannot be read"):
        read_release(sign(secret, text), suite="trixie", now=NOW, keys=keys)


def test_the_shipped_keys_are_those_of_debian() -> None:
    names = [str(cert.user_ids[0]) for key in shipped_keys() for cert in pysequoia.Cert.split_bytes(key)]
    assert len(names) == 9
    for suite in ("11/bullseye", "12/bookworm", "13/trixie"):
        assert len([name for name in names if suite in name]) == 3
