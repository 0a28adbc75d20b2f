"""Bringing what a lock names into the store: in parallel, from several mirrors, every byte checked whoever served it.

A file in the store is checked before it counts as there. A file that is not there is asked of each mirror in turn;
a package that has left the pool is looked for in the snapshot archive. All that could not be had is reported at once.
"""

from __future__ import annotations

import copy
import fcntl
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
    explaining_full_disk,
    name_host,
)
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.http import Patience
from imagefab.progress import Progress, Task
from imagefab.store.store import Store

_MOST_SOURCE = 16 << 30
"""For sources that a recipe names by address: nobody says how large they are."""
_WAIT = 0.05
"""Seconds between two looks at a file that somebody else is bringing."""
_PARTIAL = "partial"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file to bring, by what it must be and where it may come from."""

    label: str
    digest: Digest
    size: int | None
    urls: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()
    """Where it may still be when it is in none of the places where it should be."""


class NotServedError(FetchError):
    """No place gave the file."""

    def __init__(self, problem: str, *, is_gone: bool, is_answered: bool, hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.is_gone = is_gone
        """Every place where the file should be says that it is not there."""
        self.is_answered = is_answered
        """Every place answered, so that it is no matter of the network."""


class Fetcher:
    """Shared by everything in one run; knows the mirrors, the store and whether the network may be used."""

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
        """The same with other mirrors. It goes with this one."""
        other = copy.copy(self)
        other.mirrors = mirrors
        return other

    def fetch_blobs(self, downloads: Iterable[Download], *, label: str) -> None:
        """Bring files into the store."""
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
        """Bring files, verified, and hand each to `keep`, which may move it away; called from several threads.

        Whoever finds somebody else at the same file waits for them; `is_there` tells whether that was enough.
        """
        if not downloads:
            return
        if self.offline:
            raise _make_missing_error(downloads)
        # A store that takes no files is reasons once, before any is asked for.
        self.store.scratch_file().unlink()
        self.store.folder(_PARTIAL)
        total = sum(download.size or 0 for download in downloads)
        task = self.progress.start(label, total=total if all(d.size for d in downloads) else None, unit="B")
        errors = self._run_all(downloads, keep, is_there, task)
        task.finish(f"{len(downloads)} files" if not errors else "failed")
        if errors:
            raise _gather(errors)

    def read_unpinned(self, archive: str, path: str, *, most: int, accept: Callable[[bytes], _T]) -> _T:
        """A small file that nothing pins, from the first mirror whose answer is accepted (raise FetchError if not)."""
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
                # A file that cannot be had does not stop the others: all that is missing is reasons in one run.
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
        """The unfinished file of an earlier attempt, or a new one; ours alone. What breaks off stays for the next."""
        path = self.store.folder(_PARTIAL) / f"{digest.hex}.part"
        while (file := _lock_part(path)) is None:
            if self._transport.stop.wait(_WAIT):
                raise StoppedError("stopped")
        # Closing writes what is still in the file's buffer.
        with explaining_full_disk(), file:
            yield path, file
            # There may be somebody else's file by now, if ours has been moved to its place.
            if _is_at(path, file):
                path.unlink()


@contextmanager
def hinting(hint: str) -> Iterator[None]:
    """Say what to do about files that are gone."""
    try:
        yield
    except ImagefabError as error:
        for one in error.errors if isinstance(error, SeveralErrors) else (error,):
            if isinstance(one, NotServedError) and one.is_gone:
                one.hint = hint
        raise


def _lock_part(path: Path) -> IO[bytes] | None:
    """The file, opened and locked; None when another process is at it."""
    while True:
        with explain_disk_errors(path, STORE):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        file = os.fdopen(handle, "r+b")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        if _is_at(path, file):
            return file
        # Between opening and locking, another process finished it and moved it into place.
        file.close()


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _gather(errors: Sequence[ImagefabError]) -> ImagefabError:
    # A disk that is full is full for all that write to it.
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
