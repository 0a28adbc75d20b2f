"""HTTP that comes to an end: clients whose connections know when their work has to be done.

The library's timeouts are for single reads and writes. A server that sends a line of its header a second, or a byte of
a body, keeps every one of them, for days. So work is done under deadlines, of which each thread has its own, and a
connection waits no longer than the nearest one lets it. A deadline grows with what is to be sent, by the rate below
which a transfer is as good as none, so that an honest slow line gets there.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import httpx

MOST_REDIRECTS = 8
_PASSING = {408, 425, 429}
SLOWEST = 8 << 10
"""Bytes a second that every transfer has to come to in the end."""
_PIECE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, and how often to try. The defaults are for registries."""

    connect: float = 10
    read: float = 60
    """For each piece of an answer."""
    whole: float = 60
    """For all of one answer, besides what its size takes at the slowest rate."""
    attempts: int = 5
    pause: float = 0.5
    """Before the second attempt; doubled each time."""
    longest: float = 120
    """The longest pause that a server may ask for."""
    slowest: int = SLOWEST
    """Bytes a second; 0 for any rate."""

    def limit(self, size: int) -> float:
        """Seconds for one answer, or for what is sent."""
        return compute_limit(self.whole, size, self.slowest)


class SlowError(Exception):
    """Next to nothing comes."""


@dataclass(slots=True)
class Deadline:
    end: float
    """As time.monotonic counts."""

    @property
    def left(self) -> float:
        return self.end - time.monotonic()


class _Deadlines(threading.local):
    def __init__(self) -> None:
        self.open: list[Deadline] = []


_deadlines = _Deadlines()


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """What this thread does over HTTP inside has to be done in that time, and in that of deadlines around it."""
    deadline = Deadline(time.monotonic() + seconds)
    _deadlines.open.append(deadline)
    try:
        yield deadline
    finally:
        _deadlines.open.remove(deadline)


def find_seconds_left() -> float:
    return min((deadline.left for deadline in _deadlines.open), default=math.inf)


def allow_pauses(slowest: int) -> int:
    """The rate that a transfer may have for a while, where a deadline sees to the whole."""
    return slowest // 8


def compute_limit(base: float, size: int, slowest: int) -> float:
    """Seconds for a transfer of that size; without an end where no rate is too slow."""
    return base + size / slowest if slowest else math.inf


def watch_pace(pieces: Iterable[bytes], *, seconds: float, slowest: int) -> Iterator[bytes]:
    """Pieces as they come. SlowError when for so many seconds next to nothing did, so that another may be asked."""
    since, received = time.monotonic(), 0
    for piece in pieces:
        received += len(piece)
        elapsed = time.monotonic() - since
        if elapsed > seconds:
            if received < slowest * elapsed:
                raise SlowError
            since, received = time.monotonic(), 0
        yield piece


def follow(url: str, location: str) -> str:
    """Where an answer sends us, which is never from TLS into the clear. ValueError says what is wrong with it."""
    try:
        target = urljoin(url, location)
        scheme, before = urlsplit(target).scheme, urlsplit(url).scheme
    except ValueError:
        raise ValueError("redirects to something that is not a URL") from None
    if not location or scheme not in ("http", "https") or (before == "https" != scheme):
        raise ValueError(f"redirects to {scheme or 'nowhere'}, which is not allowed")
    return target


def is_passing(status: int) -> bool:
    """Whether another attempt makes sense after that status."""
    return status >= 500 or status in _PASSING


class ProxyAddressError(Exception):
    """What the environment names as a proxy can't be used."""


def make_client(patience: Patience, **options: Any) -> httpx.Client:
    """A client of the library's that heeds deadlines, through proxies too. Errors are the library's, but for the
    proxy's address. Redirects are the caller's: not everything that is sent may go where an answer leads."""
    import httpx

    timeout = httpx.Timeout(patience.read, connect=patience.connect, pool=None)
    headers = {"User-Agent": "imagefab"}
    try:
        client = httpx.Client(timeout=timeout, follow_redirects=False, headers=headers, **options)
    except httpx.InvalidURL:
        # What it says may be a part of a password that has a slash in it.
        raise ProxyAddressError("the proxy in the environment is not a URL") from None
    except (ImportError, ValueError) as error:
        said = str(error).splitlines()[0][:200]
        raise ProxyAddressError(f"the proxy in the environment can't be used: {said}") from None
    for transport in (client._transport, *client._mounts.values()):
        if transport is not None:
            pool: Any = transport._pool  # type: ignore[attr-defined]
            pool._network_backend = _Backend(pool._network_backend)
    return client


class _Backend:
    """Makes the connections of a pool."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> _Stream:
        return _Stream(self._backend.connect_tcp(host, port, timeout=_shorten(timeout, connects=True), **more))

    def connect_unix_socket(self, path: str, timeout: float | None = None, **more: Any) -> _Stream:
        return _Stream(self._backend.connect_unix_socket(path, timeout=_shorten(timeout, connects=True), **more))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """One connection."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        found: bytes = self._stream.read(max_bytes, timeout=_shorten(timeout))
        return found

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE):
            self._stream.write(bytes(view[start : start + _PIECE]), timeout=_shorten(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        try:
            seconds = _shorten(timeout, connects=True)
        except Exception:
            self.close()
            raise
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, timeout=seconds))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _shorten(timeout: float | None, *, connects: bool = False) -> float | None:
    """The seconds that a connection may wait. The library's own error when there are none left."""
    import httpcore

    left = find_seconds_left()
    if left <= 0:
        raise (httpcore.ConnectTimeout if connects else httpcore.ReadTimeout)("its time is over")
    if left == math.inf:
        return timeout
    return left if timeout is None else min(timeout, left)
