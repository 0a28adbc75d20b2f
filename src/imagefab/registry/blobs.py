"""Blobs of a repository: check for them, push them, and pull them.

Blobs are uploaded in one piece, which is fast everywhere. A registry that rejects large requests gets chunks. A failed
upload starts over, unless it turns out that only the response was lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import IO
from urllib.parse import urlsplit

from imagefab.digest import Digest
from imagefab.http import SlowError, allow_pauses, is_passing, watch_pace
from imagefab.registry.access import scope_to_read, scope_to_write
from imagefab.registry.client import Answer, Client, read_retry_after
from imagefab.registry.errors import PassingError, RegistryError
from imagefab.registry.reference import Repository

_PIECE = 1 << 18
_CHUNK = 4 << 20
"""The largest chunk that every registry with a limit accepts."""
_SMALLEST_CHUNK = 1 << 16


class Way(StrEnum):
    """How a blob got into a repository."""

    MOUNTED = "mounted"
    """From a sibling, without sending it."""
    SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    digest: Digest
    size: int
    open: Callable[[], IO[bytes]]


class Blobs:
    def __init__(self, client: Client, repository: Repository, *, siblings: Sequence[Repository] = ()) -> None:
        """`siblings` are repositories on the same registry to mount blobs from."""
        self._client = client
        self._repository = repository
        self._reading = scope_to_read(repository)
        self._writing = scope_to_write(repository, siblings)

    # -- there? ---------------------------------------------------------------------------------------------------

    def has(self, digest: Digest, *, to_write: bool = False) -> bool:
        answer = self._call("HEAD", f"{self._repository.path}/blobs/{digest}", to_write=to_write)
        if answer.status not in (200, 404):
            raise self._make_error(answer, f"does not say whether it has {digest}")
        return answer.status == 200

    # -- there! ---------------------------------------------------------------------------------------------------

    def put(self, blob: Blob, sources: Sequence[Repository], advance: Callable[[int], None]) -> Way:
        """Push a blob, or mount it from `sources`. `advance` gets bytes sent, or taken back if they are sent again."""
        for source in sources:
            if self._mount(blob.digest, source):
                return Way.MOUNTED
        was_tried = False

        def attempt() -> None:
            nonlocal was_tried
            if was_tried and self.has(blob.digest, to_write=True):
                return
            was_tried = True
            with _taking_back(_Count(advance)) as sent:
                self._send(blob, sent)

        # Some registries read the whole blob before asking for chunks.
        self._client.insist(attempt, size=2 * blob.size)
        return Way.SENT

    def _mount(self, digest: Digest, source: Repository) -> bool:
        """Mount a blob from a sibling, and return whether that worked. Many registries can't, which is fine."""
        try:
            address = f"{self._repository.path}/blobs/uploads/?mount={digest}&from={source.path}"
            answer = self._call("POST", address, attempts=1)
        except RegistryError:
            return False
        if answer.status == 202 and (location := answer.headers.get("Location")):
            # It started an upload instead, which isn't needed.
            self._drop(self._client.follow(answer.url, location))
        return answer.status == 201

    def _drop(self, address: str) -> None:
        try:
            self._call("DELETE", address, attempts=1)
        except RegistryError:
            return

    def _send(self, blob: Blob, sent: _Count) -> None:
        address, _ = self._begin()
        answer = self._call(
            "PUT",
            _with_digest(address, blob.digest),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)},
            content=lambda: _read_pieces(blob, 0, blob.size, sent.restart()),
            attempts=1,
        )
        if answer.status == 413:
            sent.take_back()
            self._send_in_chunks(blob, sent, _CHUNK)
        elif answer.status != 201:
            raise self._fail(answer, f"does not take {blob.digest}")

    def _begin(self) -> tuple[str, int]:
        """Start an upload. Returns its location and the minimum chunk size."""
        answer = self._call("POST", f"{self._repository.path}/blobs/uploads/")
        if answer.status != 202:
            raise self._make_error(answer, "begins no upload")
        least = _read_number(answer.headers.get("OCI-Chunk-Min-Length", ""))
        return self._client.follow(answer.url, answer.headers.get("Location", "")), least

    def _send_in_chunks(self, blob: Blob, sent: _Count, size: int) -> None:
        """Send chunk after chunk, each to the location that the previous response gave."""
        address, least = self._begin()
        size = max(size, least)
        done = 0
        while done < blob.size:
            end = min(done + size, blob.size)
            answer = self._call(
                "PATCH",
                address,
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(end - done),
                    "Content-Range": f"{done}-{end - 1}",
                },
                content=lambda done=done, end=end: _read_pieces(blob, done, end, sent.go_on(done)),  # type: ignore[misc]
                attempts=1,
            )
            if answer.status == 413 and size // 2 >= max(_SMALLEST_CHUNK, least):
                sent.take_back()
                return self._send_in_chunks(blob, sent, size // 2)
            if answer.status != 202:
                raise self._fail(answer, f"does not take {blob.digest}")
            address = self._client.follow(answer.url, answer.headers.get("Location", ""))
            done = end
        answer = self._call("PUT", _with_digest(address, blob.digest), headers={"Content-Length": "0"}, attempts=1)
        if answer.status != 201:
            raise self._fail(answer, f"does not take {blob.digest}")
        return None

    # -- back -----------------------------------------------------------------------------------------------------

    def fetch(self, digest: Digest, size: int, file: IO[bytes], advance: Callable[[int], None]) -> None:
        """Write exactly the blob's bytes to a file. Wrong bytes are an error once all retries fail."""

        def attempt() -> None:
            file.seek(0)
            file.truncate()
            with _taking_back(_Count(advance)) as count:
                self._receive(digest, size, file, count)

        self._client.insist(attempt, size=size)

    def _receive(self, digest: Digest, size: int, file: IO[bytes], count: _Count) -> None:
        import httpx

        found, patience = hashlib.sha256(), self._client.patience
        address = f"{self._repository.path}/blobs/{digest}"
        with self._client.stream("GET", address, self._reading) as response:
            if is_passing(response.status_code):
                wait = read_retry_after(response.headers)
                raise PassingError(f"{self._client.host} answers {response.status_code}", wait=wait)
            if response.status_code != 200:
                raise RegistryError(f"{self._repository} does not give {digest}: {response.status_code}")
            try:
                pieces = response.iter_raw()
                for piece in watch_pace(pieces, seconds=patience.read, slowest=allow_pauses(patience.slowest)):
                    found.update(piece)
                    count(len(piece))
                    if count.total > size:
                        break
                    file.write(piece)
            except (SlowError, httpx.TimeoutException):
                raise PassingError(f"{self._client.host} sends too slowly") from None
            except (httpx.TransportError, httpx.StreamError) as error:
                raise PassingError(f"{self._client.host}: {error or type(error).__name__}") from None
        if count.total != size or found.hexdigest() != digest.hex:
            raise PassingError(f"{self._repository} sent bytes that are not {digest}")

    # -- requests -------------------------------------------------------------------------------------------------

    def _call(
        self,
        method: str,
        address: str,
        *,
        to_write: bool = True,
        headers: dict[str, str] | None = None,
        content: bytes | Callable[[], Iterator[bytes]] = b"",
        attempts: int | None = None,
    ) -> Answer:
        return self._client.call(
            method,
            address,
            self._writing if to_write else self._reading,
            headers=headers,
            content=content,
            attempts=attempts,
        )

    def _make_error(self, answer: Answer, what: str) -> RegistryError:
        return RegistryError(f"{self._repository} {what}: {self._client.explain(answer)}")

    def _fail(self, answer: Answer, what: str) -> RegistryError:
        """Retry uploads that the registry lost or mixed up."""
        error = self._make_error(answer, what)
        return PassingError(error.problem, hint=error.hint) if answer.status in (400, 404, 409, 416) else error


class _Count:
    """Counts the bytes of one attempt, so that they can be taken back if it fails."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self.total = 0

    def __call__(self, amount: int) -> None:
        self.total += amount
        self._advance(amount)

    def take_back(self) -> None:
        self(-self.total)

    def go_on(self, done: int) -> _Count:
        """Continue after `done` bytes, perhaps for the second time."""
        self(done - self.total)
        return self

    def restart(self) -> _Count:
        return self.go_on(0)


@contextmanager
def _taking_back(count: _Count) -> Iterator[_Count]:
    """Take back what was counted of an attempt that fails and may be made again."""
    try:
        yield count
    except PassingError:
        count.take_back()
        raise


def _read_pieces(blob: Blob, start: int, end: int, advance: Callable[[int], None]) -> Iterator[bytes]:
    with blob.open() as file:
        file.seek(start)
        left = end - start
        while left and (piece := file.read(min(_PIECE, left))):
            yield piece
            left -= len(piece)
            advance(len(piece))


def _with_digest(address: str, digest: Digest) -> str:
    """Add the digest to an upload's URL, keeping its query as it is."""
    return f"{address}{'&' if urlsplit(address).query else '?'}digest={digest}"


def _read_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
