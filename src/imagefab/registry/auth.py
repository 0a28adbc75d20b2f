"""The challenges of a registry, and the tokens from a token service.

Credentials go to the registry itself, or to the token service that it names over TLS (on this machine, plain HTTP too).
They go nowhere else: not along redirects, and not to upload locations elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from imagefab.errors import FetchError
from imagefab.registry.reference import is_loopback

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)(?:\s+|\Z)")
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|\Z)')
_SHORTEST = 60
"""Seconds that a token is valid if the service doesn't say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    scheme: str
    """Lower case."""
    realm: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A value for the Authorization header, and when it expires."""

    header: str = field(repr=False)
    until: float
    """On the clock of time.monotonic."""


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Parse all challenges in WWW-Authenticate headers, skipping invalid ones."""
    found: list[Challenge] = []
    for header in headers:
        rest = header
        while match := _SCHEME.match(rest):
            rest = rest[match.end() :]
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(rest):
                quoted = parameter[2]
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
                parameters.setdefault(parameter[1].lower(), value)
                rest = rest[parameter.end() :]
            found.append(
                Challenge(
                    scheme=match[1].lower(), realm=parameters.get("realm", ""), service=parameters.get("service", "")
                )
            )
    return tuple(found)


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """Choose the challenge to answer: tokens before passwords."""
    known = {one.scheme: one for one in challenges if one.scheme in ("basic", "bearer")}
    return known.get("bearer") or known.get("basic")


def check_realm(realm: str, registry: str) -> str:
    """The token service's URL, if credentials may go there. Raises FetchError otherwise."""
    try:
        parts = urlsplit(realm)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        parts, host = urlsplit(""), ""
    on_this_machine = is_loopback(registry) and is_loopback(host)
    if not host or parts.scheme not in ("http", "https") or (parts.scheme == "http" and not on_this_machine):
        raise FetchError(
            f"{registry} asks for a login at {host or 'nowhere'}, without TLS",
            hint="credentials are not sent unencrypted; ask the registry's operator",
        )
    return realm


def read_token(answer: object, now: float) -> Grant | None:
    """Read a token service's answer; None if it has no token."""
    if not isinstance(answer, dict):
        return None
    token = answer.get("token") or answer.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        return None
    lasts = answer.get("expires_in")
    seconds = lasts if isinstance(lasts, int) and not isinstance(lasts, bool) and 0 < lasts < 10**7 else _SHORTEST
    # Allow for the time that a request takes.
    return Grant(header=f"Bearer {token}", until=now + seconds * 0.9)
