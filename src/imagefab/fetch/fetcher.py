"""Fetches what a lock names into the store: in parallel, from several mirrors, and with every byte verified.

A file in the store is verified before it counts as present. A missing file is requested from each mirror in turn; a
package that has left the pool is fetched from the snapshot archive. All missing files are reported at once.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeVar

from imagefab.digest import Digest
from imagefab.errors import FetchError, ImagefabError, SeveralErrors
from imagefab.fetch.mirrors import Mirrors
from imagefab.fetch.own import OwnFiles
from imagefab.fetch.transport import (
    MIRROR_PATIENCE,
    Expected,
    FullDiskError,
    NotThereError,
    StoppedError,
    TransferError,
    Transport,
    UnreachableError,
    WrongBytesError,
    explain_full_disk,
    name_host,
)
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.files.locks import try_lock
from imagefab.http import Patience
from imagefab.progress import Progress, Task
from imagefab.store.store import Store

_MOST_SOURCE = 16 << 30
"""For sources that a recipe names by URL, whose size is unknown."""
_WAIT = 0.05
"""Seconds between checks for a file that another process is fetching."""
_PARTIAL = "partial"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file to fetch: its expected content, and where it may be found."""

    label: str
    digest: Digest
    size: int | None
    urls: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()
    """Where to look if none of `urls` has it."""


class NotServedError(FetchError):
    """No URL served the file."""

    def __init__(self, problem: str, *, is_gone: bool, is_answered: bool, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.is_gone = is_gone
        """Whether every regular URL answered that the file does not exist."""
        self.is_answered = is_answered
        """Whether every URL answered, so that the network is not the problem."""


class Fetcher:
    """Shared by everything in a run; knows the mirrors, the store and whether the network may be used."""

    def __init__(
        self,
        *,
        store: Store,
        mirrors: Mirrors,
        progress: Progress,
        own_files: OwnFiles = OwnFiles(),  # noqa: B008 - a frozen value
        offline: bool = False,
        jobs: int = 6,
        patience: Patience = MIRROR_PATIENCE,
    ) -> None:
        self.store = store
        self.mirrors = mirrors
        self.own_files = own_files
        self.progress = progress
        self.offline = offline
        self._jobs = max(1, jobs)
        self.patience = patience
        self._transport = Transport(self.patience)
        self._lost_hosts: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def through(self, mirrors: Mirrors) -> Fetcher:
        """Return the same fetcher with other mirrors. It is closed with this one."""
        other = copy.copy(self)
        other.mirrors = mirrors
        return other

    def fetch_blobs(self, downloads: Iterable[Download], *, label: str) -> None:
        """Fetch files into the store."""
        distinct = {download.digest: download for download in downloads}
        missing = [download for download in distinct.values() if not self._is_held(download)]
        self.fetch_files(
            missing,
            lambda path, download: self.store.adopt_blob(path, download.digest),
            label=label,
            is_there=self._is_held,
        )

    def fetch_files(
        self,
        downloads: Sequence[Download],
        keep: Callable[[Path, Download], object],
        *,
        label: str,
        is_there: Callable[[Download], bool] = lambda _: False,
    ) -> None:
        """Fetch and verify files, and pass each to `keep`, which may move it away; called from several threads.

        If another process is fetching the same file, this one waits; `is_there` then says whether the file is present.
        """
        if not downloads:
            return
        if self.offline:
            raise _make_missing_error(downloads)
        # Report a store that is not writable once, before requesting any file.
        self.store.scratch_file().unlink()
        self.store.folder(_PARTIAL)
        total = sum(download.size or 0 for download in downloads)
        task = self.progress.start(label, total=total if all(d.size for d in downloads) else None, unit="B")
        errors = self._run_all(downloads, keep, is_there, task)
        task.finish(f"{len(downloads)} files" if not errors else "failed")
        if errors:
            raise _gather(errors)

    def read_unpinned(self, archive: str, path: str, *, most: int, accept: Callable[[bytes], _T]) -> _T:
        """Return a small unpinned file from the first mirror whose answer `accept` does not reject with FetchError."""
        if self.offline:
            raise FetchError(f"{path} of {archive} is not in the store", hint="run once without --offline")
        problems: list[str] = []
        is_gone = True
        hint = None
        for url in self.mirrors.urls(archive, path):
            if name_host(url) in self._lost_hosts:
                is_gone = False
                problems.append(f"{name_host(url)} did not answer earlier")
                continue
            scratch = self.store.scratch_file(".release")
            try:
                with scratch.open("w+b") as file:
                    self._transport.download(url, file, Expected(digest=None, size=None, most=most), lambda _: None)
                return accept(scratch.read_bytes())
            except FullDiskError:
                raise
            except FetchError as error:
                is_gone = is_gone and isinstance(error, NotThereError)
                if isinstance(error, UnreachableError):
                    self._lost_hosts.add(name_host(url))
                problems.append(
                    error.problem if isinstance(error, TransferError) else f"{name_host(url)}: {error.problem}"
                )
                hint = hint or error.hint
            finally:
                scratch.unlink(missing_ok=True)
        raise NotServedError(
            f"cannot read {path} of {archive}: {'; '.join(problems) or 'no mirror is configured'}",
            is_gone=bool(problems) and is_gone,
            is_answered=bool(problems) and is_gone,
            hint=hint or "the machine's network, or [mirrors] in imagefab.toml",
        )

    def _is_held(self, download: Download) -> bool:
        if not self.store.has_blob(download.digest):
            return False
        if self.store.check_blob(download.digest):
            return True
        self.progress.warn(f"{download.label} is damaged in the store and is fetched again")
        return False

    def _run_all(
        self,
        downloads: Sequence[Download],
        keep: Callable[[Path, Download], object],
        is_there: Callable[[Download], bool],
        task: Task,
    ) -> list[ImagefabError]:
        stop = self._transport.stop
        stop.clear()
        with ThreadPoolExecutor(min(self._jobs, len(downloads)), thread_name_prefix="fetch") as pool:
            futures: list[Future[None]] = [pool.submit(self._fetch_one, d, keep, is_there, task) for d in downloads]
            try:
                # A missing file does not stop the others: one run reports everything that is missing.
                wait(futures)
                found = [future.exception() for future in futures]
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        errors: list[ImagefabError] = []
        for error in found:
            if isinstance(error, ImagefabError):
                if not isinstance(error, StoppedError):
                    errors.append(error)
            elif error is not None:
                raise error
        return errors

    def _fetch_one(
        self,
        download: Download,
        keep: Callable[[Path, Download], object],
        is_there: Callable[[Download], bool],
        task: Task,
    ) -> None:
        expected = Expected(
            digest=download.digest, size=download.size, most=_MOST_SOURCE if download.size is None else download.size
        )
        with self._open_part(download.digest) as (path, file):
            if is_there(download):
                task.advance(download.size or 0)
                return
            task.advance(file.seek(0, 2))
            try:
                self._try_places(download, file, expected, task)
            except FullDiskError:
                self._transport.stop.set()
                raise
            keep(path, download)

    def _try_places(self, download: Download, file: IO[bytes], expected: Expected, task: Task) -> None:
        problems: list[TransferError] = []
        for url in (*download.urls, *download.fallbacks):
            host = name_host(url)
            if host in self._lost_hosts:
                problems.append(UnreachableError(f"{host} did not answer earlier"))
                continue
            try:
                self._transport.download(url, file, expected, task.advance)
            except TransferError as error:
                problems.append(error)
                if isinstance(error, UnreachableError):
                    self._lost_hosts.add(host)
                elif isinstance(error, WrongBytesError) and url in download.urls:
                    self.progress.warn(f"{download.label}: {error.problem}")
            else:
                return
        reasons = "; ".join(dict.fromkeys(problem.problem for problem in problems)) or "no mirror is configured"
        regular = problems[: len(download.urls)]
        is_gone = bool(regular) and all(isinstance(problem, NotThereError) for problem in regular)
        is_answered = all(isinstance(problem, NotThereError | WrongBytesError) for problem in problems)
        raise NotServedError(
            f"cannot fetch {download.label}: {reasons}", is_gone=is_gone, is_answered=bool(problems) and is_answered
        )

    @contextmanager
    def _open_part(self, digest: Digest) -> Iterator[tuple[Path, IO[bytes]]]:
        """Open the partial file of an earlier attempt, or a new one, exclusively. What is interrupted is kept for the
        next."""
        path = self.store.folder(_PARTIAL) / f"{digest.hex}.part"
        while (file := _lock_part(path)) is None:
            if self._transport.stop.wait(_WAIT):
                raise StoppedError("stopped")
        # Closing flushes the file's buffer.
        with explain_full_disk(), file:
            yield path, file
            # If this file was moved into place, there may be another process's file at its path by now.
            if _is_at(path, file):
                path.unlink()


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Add a hint to errors about files that are gone."""
    try:
        yield
    except ImagefabError as error:
        for one in error.errors if isinstance(error, SeveralErrors) else (error,):
            if isinstance(one, NotServedError) and one.is_gone:
                one.hint = hint
        raise


def _lock_part(path: Path) -> IO[bytes] | None:
    """Open and lock the file; None if another process has locked it."""
    while True:
        with explain_disk_errors(path, STORE):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        file = os.fdopen(handle, "r+b")
        try:
            try_lock(handle)
        except OSError:
            file.close()
            return None
        if _is_at(path, file):
            return file
        # Another process finished the file and moved it into place between opening and locking.
        file.close()


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _gather(errors: Sequence[ImagefabError]) -> ImagefabError:
    # A full disk fails every download with the same error.
    errors = list({str(error): error for error in errors}.values())
    gone = [error for error in errors if isinstance(error, NotServedError) and error.is_gone]
    others = [error for error in errors if error not in gone]
    if len(gone) > 1:
        lines = "\n".join(f"  {error.problem}" for error in gone)
        problem = f"{len(gone)} files are not where they were any more:\n{lines}"
        gone = [NotServedError(problem, is_gone=True, is_answered=all(error.is_answered for error in gone))]
    found: list[ImagefabError] = [*gone, *others]
    together = SeveralErrors(found)
    return together.errors[0] if len(together.errors) == 1 else together


def _make_missing_error(downloads: Sequence[Download]) -> FetchError:
    lines = "\n".join(f"  {download.label}" for download in downloads)
    return FetchError(f"these files are not in the store:\n{lines}", hint="run once without --offline")
