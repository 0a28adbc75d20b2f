"""Downloads one file over HTTP into one local file: bounded, resumable, and retried only where that helps.

Connection errors, stalls and server errors (5xx, 408, 429) are retried after a pause, resuming where the connection was
lost; a definite answer (404 and the like) is final. The content is hashed on arrival, and only a file of exactly the
expected size and digest is a success. All of this happens within a time limit that grows with the size.
"""

from __future__ import annotations

import errno
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.http import (
    MOST_REDIRECTS,
    Deadline,
    Patience,
    ProxyAddressError,
    SlowError,
    allow_pauses,
    compute_limit,
    follow,
    is_passing,
    make_client,
    watch_pace,
    within,
)

if TYPE_CHECKING:
    import httpx

_CHUNK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)\Z")


class TransferError(FetchError):
    """This URL did not serve the file, after all sensible attempts; another may."""


class NotThereError(TransferError):
    """The server does not have the file."""


class UnreachableError(TransferError):
    """The host is not worth asking again: it does not connect, does not answer, or sends next to nothing."""


class WrongBytesError(TransferError):
    """The server sent something else. Worth a warning even if another mirror has the right bytes."""


class FullDiskError(FetchError):
    """The disk is full, so no other URL can help. The exit code is the same as for any full disk."""

    exit_code = 5


class StoppedError(FetchError):
    """The work that this is part of failed or was interrupted."""


MIRROR_PATIENCE = Patience(read=30, attempts=4, whole=120)
"""Short, since there are other mirrors. `whole` is for all attempts at one file together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a transfer must result in."""

    digest: Digest | None
    size: int | None
    most: int
    """The most to read, whatever the server says."""


@dataclass(slots=True)
class Transport:
    """A client shared by many threads."""

    patience: Patience = field(default_factory=Patience)
    stop: threading.Event = field(default_factory=threading.Event)
    _client: httpx.Client | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def download(self, url: str, file: IO[bytes], expected: Expected, advance: Callable[[int], None]) -> None:
        """Download the file, resuming from what it contains; one of the errors above if it can't be completed."""
        size = expected.size if expected.size is not None else expected.most
        with within(compute_limit(self.patience.whole, size, self.patience.slowest)) as deadline:
            self._insist(url, file, expected, advance, deadline)

    def _insist(
        self, url: str, file: IO[bytes], expected: Expected, advance: Callable[[int], None], deadline: Deadline
    ) -> None:
        problem, reason = TransferError, ""
        for attempt in range(self.patience.attempts):
            pause = self.patience.pause * 2 ** (attempt - 1) if attempt else 0
            if deadline.left <= pause:
                reason = f"{reason}, and its time is over"
                break
            if self.stop.wait(pause):
                raise StoppedError("stopped")
            held = _measure(file, expected)
            if held and expected.digest is not None and _is_right(file, expected):
                return
            try:
                self._receive(url, file, held, expected, advance)
            except _BrokenOffError as error:
                problem = UnreachableError if error.is_silent else TransferError
                reason = str(error)
                continue
            if _is_right(file, expected):
                return
            was_resumed = bool(held)
            _restart(file, advance)
            if not was_resumed:
                raise WrongBytesError(f"{name_host(url)} sent bytes that do not match the expected digest")
            # The earlier bytes may have been wrong; this server has not yet sent the whole file.
            problem, reason = TransferError, "the transfer could not be continued"
        raise problem(f"{name_host(url)}: {reason}")

    def close(self) -> None:
        with self._guard:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _receive(
        self, url: str, file: IO[bytes], held: int, expected: Expected, advance: Callable[[int], None]
    ) -> None:
        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
        with self._open(url, headers) as response:
            if response.status_code == 416 or (response.status_code == 206 and not _continues(response, held)):
                _restart(file, advance)
                raise _BrokenOffError("the server cannot continue the transfer")
            if response.status_code == 200:
                _restart(file, advance)
                held = 0
            length = response.headers.get("Content-Length", "")
            most = min(expected.most, expected.size if expected.size is not None else expected.most)
            if length.isdigit() and held + int(length) > most:
                raise WrongBytesError(
                    f"{name_host(url)} offers {held + int(length)} bytes, more than the limit of {most}"
                )
            is_known = expected.size is not None
            for chunk in self._chunks(
                response, allow_pauses(self.patience.slowest) if is_known else self.patience.slowest
            ):
                held += len(chunk)
                if held > most:
                    _restart(file, advance)
                    raise WrongBytesError(f"{name_host(url)} sends more than the expected {most} bytes")
                with explain_full_disk():
                    file.write(chunk)
                advance(len(chunk))
            with explain_full_disk():
                file.flush()
            if expected.size is not None and held < expected.size and not length:
                # Without a length, a premature end cannot be told from a broken connection.
                raise _BrokenOffError("the connection was lost")

    def _chunks(self, response: httpx.Response, slowest: int) -> Iterator[bytes]:
        import httpx

        try:
            for chunk in watch_pace(response.iter_raw(), seconds=self.patience.read, slowest=slowest):
                if self.stop.is_set():
                    raise StoppedError("stopped")
                yield chunk
        except SlowError:
            raise _BrokenOffError("the transfer was too slow", is_silent=True) from None
        except httpx.TimeoutException:
            raise _BrokenOffError("the server stopped sending") from None
        except (httpx.TransportError, httpx.StreamError) as error:
            raise _BrokenOffError(_reason(error)) from error

    @contextmanager
    def _open(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Yield the response after following redirects, which never lead from https to http."""
        import httpx

        for _ in range(MOST_REDIRECTS):
            try:
                request = self._shared_client().build_request("GET", url, headers=headers)
                with within(self.patience.read):
                    response = self._shared_client().send(request, stream=True)
            except httpx.ReadTimeout as error:
                raise _BrokenOffError("the server did not answer in time", is_silent=True) from error
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
                raise _BrokenOffError(_reason(error), is_silent=True) from error
            except httpx.TransportError as error:
                raise _BrokenOffError(_reason(error)) from error
            except (httpx.InvalidURL, ValueError, OverflowError) as error:
                raise TransferError(f"{name_host(url)}: {error}") from error
            try:
                if response.is_redirect:
                    url = _follow(url, response.headers.get("Location", ""))
                    continue
                _check_status(url, response.status_code)
                yield response
                return
            finally:
                response.close()
        raise TransferError(f"{name_host(url)} redirects too often")

    def _shared_client(self) -> httpx.Client:
        with self._guard:
            if self._client is None:
                try:
                    self._client = make_client(self.patience)
                except ProxyAddressError as error:
                    raise TransferError(str(error)) from None
            return self._client


class _BrokenOffError(Exception):
    """Worth another attempt at the same address."""

    def __init__(self, reason: str, *, is_silent: bool = False) -> None:
        super().__init__(reason)
        self.is_silent = is_silent


def _check_status(url: str, status: int) -> None:
    if status in (200, 206, 416):
        return
    if status in (404, 410):
        raise NotThereError(f"{name_host(url)} does not have it")
    if is_passing(status):
        raise _BrokenOffError(f"the server answers {status}")
    raise TransferError(f"{name_host(url)} answers {status}")


def _follow(url: str, location: str) -> str:
    try:
        return follow(url, location)
    except ValueError as error:
        raise TransferError(f"{name_host(url)} {error}") from None


def _continues(response: httpx.Response, held: int) -> bool:
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return bool(held and match and int(match[1]) == held)


def _measure(file: IO[bytes], expected: Expected) -> int:
    """Return how much of the file is there already; 0 if that is too much. Leaves the position at the end."""
    held = file.seek(0, 2)
    if held > (expected.size if expected.size is not None else expected.most):
        file.seek(0)
        file.truncate()
        return 0
    return held


def _is_right(file: IO[bytes], expected: Expected) -> bool:
    if expected.size is not None and file.seek(0, 2) != expected.size:
        return False
    if expected.digest is None:
        return True
    file.seek(0)
    found = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        found.update(chunk)
    return found.hexdigest() == expected.digest.hex


def _restart(file: IO[bytes], advance: Callable[[int], None]) -> None:
    advance(-file.seek(0, 2))
    file.seek(0)
    file.truncate()


@contextmanager
def explain_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FullDiskError(
            "the disk is full: no space left in the store",
            hint="`imagefab gc` removes what no lock needs; --store DIR uses another folder",
        ) from error


def name_host(url: str) -> str:
    """Return the host and port to name in a message, without credentials. The URL need not be valid."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
