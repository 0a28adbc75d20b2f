"""Release files, which an archive signs: the root of all trust in its packages.

The archives' keys ship with imagefab (keys/, from the debian-archive-keyring package), so that locking works on any
system. Only bytes that the signature covers are ever read, and only clear-text signatures are accepted.
"""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from imagefab.debian.clearsign import check_clear_signed
from imagefab.debian.control import parse_stanza
from imagefab.digest import Digest
from imagefab.errors import FetchError


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """A file that a Release file names."""

    path: str
    """The path under dists/<suite>/."""
    sha256: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    names: tuple[str, ...]
    """The suite's code name and its role, e.g. `trixie` and `stable`."""
    date: datetime
    valid_until: datetime | None
    architectures: tuple[str, ...]
    has_own_index_for_all: bool
    """Whether packages for all architectures are only in an index of their own."""
    by_hash: bool
    file_list: str
    digest: Digest
    """The digest of the whole InRelease file."""

    def find_file(self, path: str) -> IndexFile | None:
        for match in re.finditer(rf"^ ?([0-9a-f]{{64}})[ \t]+([0-9]+)[ \t]+{re.escape(path)}$", self.file_list, re.M):
            return IndexFile(path=path, sha256=Digest(match[1]), size=int(match[2]))
        return None


@cache
def shipped_keys() -> tuple[bytes, ...]:
    folder = resources.files("imagefab.debian") / "keys"
    return tuple(entry.read_bytes() for entry in sorted(folder.iterdir(), key=lambda entry: entry.name))


def verify_release(data: bytes, *, now: datetime, keys: tuple[bytes, ...] | None = None) -> bytes:
    """Return the signed content of an InRelease file; FetchError unless one of the keys, not expired, signed it."""
    import pysequoia

    certificates = [cert for key in keys or shipped_keys() for cert in pysequoia.Cert.split_bytes(key)]
    known = {cert.fingerprint.lower(): cert for cert in certificates}
    try:
        check_clear_signed(data)
        verified = pysequoia.verify(data, store=lambda _: certificates)
    except Exception as error:  # the library has no exception type of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FetchError(f"the archive's signature is not valid: {reason}") from error
    signed = [one for one in verified.valid_sigs if str(one.certificate).lower() in known]
    if not signed:
        raise FetchError("the archive's Release file is not signed by a key that imagefab ships")
    ends = [_find_end(known[str(one.certificate).lower()], str(one.signing_key).lower()) for one in signed]
    if all(end is not None and end <= now for end in ends):
        last = max(end for end in ends if end is not None)
        raise FetchError(
            f"the archive's signature is not valid: its key expired on {last:%Y-%m-%d}",
            hint="update imagefab for newer keys, or check this machine's clock",
        )
    content: bytes | None = verified.bytes
    return content or b""


def _find_end(certificate: Any, signing_key: str) -> datetime | None:
    """Return when a signing key or its certificate expires. The library only checks validity at the time of signing."""
    from pysequoia.packet import PacketPile, SignatureType

    ends: list[datetime | None] = [certificate.expiration]
    bound: list[tuple[datetime, timedelta | None]] = []
    is_meant, created = False, None
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.fingerprint is not None:
            is_meant, created = packet.fingerprint.lower() == signing_key, packet.key_created
        elif is_meant and packet.signature_type == SignatureType.SubkeyBinding:
            bound.append((packet.signature_created, packet.key_validity_period))
    if bound:
        lasts = max(bound, key=lambda one: one[0])[1]
        ends.append(created + lasts if created is not None and lasts else None)
    return min((end for end in ends if end is not None), default=None)


def read_release(data: bytes, *, suite: str, now: datetime, keys: tuple[bytes, ...] | None = None) -> Release:
    """Read and verify an InRelease file: its signature, that it is for that suite, and that it is still valid."""
    content = verify_release(data, now=now, keys=keys)
    try:
        release = _parse_release(content.decode(), Digest.of_bytes(data))
    except (ValueError, KeyError) as error:
        raise FetchError(f"the Release file of {suite} cannot be read: {error}") from error
    if suite not in release.names:
        raise FetchError(f"the archive answered a request for suite {suite} with {' / '.join(release.names)}")
    if release.valid_until and now > release.valid_until:
        raise FetchError(
            f"the Release file of {suite} expired on {release.valid_until:%Y-%m-%d %H:%M} UTC",
            hint="the mirror is no longer updated, or this machine's clock is wrong",
        )
    return release


def _parse_release(text: str, digest: Digest) -> Release:
    fields = parse_stanza(text.strip("\n"))
    architectures = tuple(fields["Architectures"].split())
    return Release(
        names=tuple(fields[name] for name in ("Codename", "Suite") if name in fields),
        date=_parse_date(fields["Date"]),
        valid_until=_parse_date(fields["Valid-Until"]) if "Valid-Until" in fields else None,
        architectures=architectures,
        has_own_index_for_all="all" in architectures
        and "Packages" not in fields.get("No-Support-for-Architecture-all", ""),
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        file_list=fields["SHA256"],
        digest=digest,
    )


def _parse_date(text: str) -> datetime:
    date = email.utils.parsedate_to_datetime(text)
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
