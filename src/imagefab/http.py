"""HTTP clients with deadlines, so that every transfer ends.

httpx's timeouts are for single reads and writes. A server that sends a header line a second, or a byte of a body, stays
within all of them, for days. So work is done under deadlines, which each thread has for itself, and a connection waits
no longer than the nearest one allows. A deadline grows with the size of the transfer, at the slowest useful rate, so
that a slow but honest connection succeeds.
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
"""Bytes per second that every transfer must reach on average."""
_PIECE = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Timeouts and retries. The defaults are for registries."""

    connect: float = 10
    read: float = 60
    """For each piece of a response."""
    whole: float = 60
    """For a whole response, in addition to the time that its size takes at the slowest rate."""
    attempts: int = 5
    pause: float = 0.5
    """Before the second attempt; doubled each time."""
    longest: float = 120
    """The longest pause that a server may ask for."""
    slowest: int = SLOWEST
    """Bytes per second; 0 allows any rate."""

    def limit(self, size: int) -> float:
        """Seconds for one response or upload of that size."""
        return compute_limit(self.whole, size, self.slowest)


class SlowError(Exception):
    """The transfer is too slow."""


@dataclass(slots=True)
class Deadline:
    end: float
    """In the time of `time.monotonic`."""

    @property
    def left(self) -> float:
        return self.end - time.monotonic()


class _Deadlines(threading.local):
    def __init__(self) -> None:
        self.open: list[Deadline] = []


_deadlines = _Deadlines()


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    """Limit this thread's HTTP work inside the context to that time, and to the deadlines around it."""
    deadline = Deadline(time.monotonic() + seconds)
    _deadlines.open.append(deadline)
    try:
        yield deadline
    finally:
        _deadlines.open.remove(deadline)


def find_seconds_left() -> float:
    return min((deadline.left for deadline in _deadlines.open), default=math.inf)


def allow_pauses(slowest: int) -> int:
    """Return the rate that a transfer may drop to for a while, if a deadline limits it as a whole."""
    return slowest // 8


def compute_limit(base: float, size: int, slowest: int) -> float:
    """Seconds for a transfer of that size; infinite if no rate is too slow."""
    return base + size / slowest if slowest else math.inf


def watch_pace(pieces: Iterable[bytes], *, seconds: float, slowest: int) -> Iterator[bytes]:
    """Yield pieces as they come; SlowError if they are too slow for that many seconds, so that another can be tried."""
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
    """Return a redirect's target; ValueError if it is not allowed, such as from https to http."""
    try:
        target = urljoin(url, location)
        scheme, before = urlsplit(target).scheme, urlsplit(url).scheme
    except ValueError:
        raise ValueError("redirects to something that is not a URL") from None
    if not location or scheme not in ("http", "https") or (before == "https" != scheme):
        raise ValueError(f"redirects to {scheme or 'nowhere'}, which is not allowed")
    return target


def is_passing(status: int) -> bool:
    """Whether a request with that status is worth retrying."""
    return status >= 500 or status in _PASSING


class ProxyAddressError(Exception):
    """The proxy that the environment names can't be used."""


def make_client(patience: Patience, **options: Any) -> httpx.Client:
    """Make an httpx client that keeps to deadlines, through proxies too.

    It raises httpx's errors, and ProxyAddressError. Callers follow redirects themselves: not everything they send may
    go to a redirect's target.
    """
    import httpx

    timeout = httpx.Timeout(patience.read, connect=patience.connect, pool=None)
    headers = {"User-Agent": "imagefab"}
    try:
        client = httpx.Client(timeout=timeout, follow_redirects=False, headers=headers, **options)
    except httpx.InvalidURL:
        # The message may contain a part of a password that has a slash in it.
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
    """Return the seconds that a connection may wait; httpcore's own timeout error if there are none left."""
    import httpcore

    left = find_seconds_left()
    if left <= 0:
        raise (httpcore.ConnectTimeout if connects else httpcore.ReadTimeout)("its time is over")
    if left == math.inf:
        return timeout
    return left if timeout is None else min(timeout, left)
