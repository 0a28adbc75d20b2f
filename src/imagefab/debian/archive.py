"""Reads archives over the network: signed Release files, and the indexes that they name by hash.

Indexes are kept in the store in their compact form, under the digest from the Release file, so that an unchanged
archive is not read again. The last verified Release file of each suite is kept too: it is used offline, and shows when
a mirror is older than what was already seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from imagefab.debian.index import (
    FORMAT,
    BadIndexError,
    Index,
    build_index,
    decompress_index,
    open_index,
)
from imagefab.debian.pin import ArchivePin
from imagefab.debian.release import IndexFile, Release, read_release
from imagefab.debian.universe import Universe
from imagefab.errors import FetchError, PackageError, RecipeError
from imagefab.fetch.fetcher import Download, Fetcher, NotServedError
from imagefab.files.disk import list_files
from imagefab.recipe.model import Archive

_MOST_RELEASE = 8 << 20
_MOST_INDEX = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSuite:
    archive: Archive
    release: Release
    pin: ArchivePin

    @property
    def epoch(self) -> int:
        """The date of the Release file, in seconds since 1970."""
        return int(self.release.date.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An index to open, with its files in the Release file."""

    suite: OpenSuite
    architecture: str
    packed: IndexFile
    unpacked: IndexFile


class ArchiveReader:
    """Opens suites and indexes, each once per run. `now` is the current time."""

    def __init__(
        self, fetcher: Fetcher, *, now: datetime, keys: tuple[bytes, ...] | None = None, is_past: bool = False
    ) -> None:
        """`is_past` is for states of long ago, which are not kept or compared with later ones; `now` is their time."""
        self.fetcher = fetcher
        self._now = now
        self._keys = keys
        self._is_past = is_past
        self._suites: dict[tuple[str, str], Release | FetchError] = {}
        self._indexes: dict[tuple[str, str], Index] = {}
        self._pasts: dict[tuple[str, str], ArchiveReader] = {}
        self._unserved: set[tuple[str, str]] = set()
        """Suites and architectures whose index no mirror has."""

    def open_universe(self, archives: Sequence[Archive], architectures: Sequence[str]) -> Universe:
        """Return all that a machine of the first architecture can install, with the others as foreign architectures."""
        suites = [self.open_suite(archive) for archive in archives]
        for architecture in architectures:
            if not any(architecture in suite.release.architectures for suite in suites):
                raise PackageError(
                    f"{archives[0].suite} has no packages for the architecture {architecture}",
                    package=f":{architecture}",
                    hint=f"it has {', '.join(suites[0].release.architectures)}",
                )
        wanted = [w for suite in suites for w in _list_indexes(suite, architectures)]
        # Many mirrors carry few architectures. The native one must be complete; of the others, only the base suite.
        required = [w for w in wanted if w.suite is suites[0] or w.architecture == architectures[0]]
        self._load(required)
        wanted = [w for w in wanted if w in required or self._load_optional(w)]
        return Universe(
            pins=tuple(suite.pin for suite in suites),
            native=architectures[0],
            foreign=architectures[1:],
            indexes=[(w.architecture, self._indexes[_key(w)]) for w in wanted],
            incomplete={architecture for _, architecture in self._unserved}.intersection(architectures),
        )

    def open_archive(self, archive: Archive, architecture: str) -> Universe:
        """Return one suite's packages for an architecture, and those for all; empty if there are none."""
        suite = self.open_suite(archive)
        wanted = list(_list_indexes(suite, [architecture]))
        self._load(wanted)
        indexes = [(one.architecture, self._indexes[_key(one)]) for one in wanted]
        return Universe(pins=(suite.pin,), native=architecture, indexes=indexes)

    def open_past(self, archive: ArchivePin, moment: datetime) -> ArchiveReader:
        """Return a reader for an archive's past state, from the snapshot archive, verified as of that time."""
        key = archive.archive, f"{moment:%Y%m%dT%H%M%SZ}"
        if key not in self._pasts:
            fetcher = self.fetcher.through(self.fetcher.mirrors.of_snapshot(*key))
            self._pasts[key] = ArchiveReader(fetcher, now=moment, keys=self._keys, is_past=True)
        return self._pasts[key]

    def open_suite(self, archive: Archive) -> OpenSuite:
        key = (archive.archive, archive.suite)
        if key not in self._suites:
            try:
                self._suites[key] = self._read_suite(archive)
            except FetchError as error:
                # Every recipe opens it, and a failure is unlikely to go away within a run.
                self._suites[key] = error
        release = self._suites[key]
        if isinstance(release, FetchError):
            raise release
        pin = ArchivePin(
            name=archive.name,
            archive=archive.archive,
            suite=archive.suite,
            components=archive.components,
            date=f"{release.date:%Y%m%dT%H%M%SZ}",
            release=release.digest,
        )
        return OpenSuite(archive=archive, release=release, pin=pin)

    def _read_suite(self, archive: Archive) -> Release:
        kept = self.fetcher.store.folder("indexes") / f"{archive.archive}-{archive.suite.replace('/', '-')}.InRelease"
        if self.fetcher.offline and kept.exists() and not self._is_past:
            return self._verify(self._read_file(kept), archive)

        def accept(data: bytes) -> tuple[Release, bytes]:
            return self._verify(data, archive), data

        release, data = self.fetcher.read_unpinned(
            archive.archive, f"dists/{archive.suite}/InRelease", most=_MOST_RELEASE, accept=accept
        )
        if self._is_past:
            return release
        seen = self._read_kept(kept, archive)
        if seen is not None and seen.date > release.date:
            self.fetcher.progress.warn(
                f"{archive.suite}: the mirror is outdated: its state is of {release.date:%Y-%m-%d %H:%M}; "
                f"the state of {seen.date:%Y-%m-%d %H:%M} is used, which was seen before"
            )
            return seen
        self._write(kept, data)
        return release

    def _verify(self, data: bytes, archive: Archive) -> Release:
        return read_release(data, suite=archive.suite, now=self._now, keys=self._keys)

    def _read_kept(self, kept: Path, archive: Archive) -> Release | None:
        try:
            return self._verify(self._read_file(kept), archive)
        except FetchError:
            return None

    @staticmethod
    def _read_file(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise FetchError(f"{path} can't be read: {error.strerror}") from None

    def _load(self, wanted: Iterable[_Wanted]) -> None:
        missing: dict[str, _Wanted] = {}
        for one in wanted:
            if _key(one) not in self._indexes and not self._open(one):
                missing[one.packed.sha256.hex] = one
        self._fetch(list(missing.values()))
        for one in missing.values():
            if not self._open(one):
                raise FetchError(f"{one.packed.path} of {one.suite.pin.suite} can't be kept in the store")

    def _load_optional(self, wanted: _Wanted) -> bool:
        suite, architecture = wanted.suite.pin.suite, wanted.architecture
        if (suite, architecture) in self._unserved:
            return False
        try:
            self._load([wanted])
        except FetchError as error:
            if not (self.fetcher.offline or (isinstance(error, NotServedError) and error.is_answered)):
                raise
            self._unserved.add((suite, architecture))
            self.fetcher.progress.warn(
                f"no mirror has the {architecture} packages of {suite}: what is pinned of them stays, "
                "what is new comes from the other suites"
            )
            return False
        return True

    def _open(self, wanted: _Wanted) -> bool:
        try:
            index = open_index(self._place(wanted), source=wanted.packed.sha256, archive=wanted.suite.pin.name)
        except (FileNotFoundError, BadIndexError):
            return False
        self._indexes[_key(wanted)] = index
        return True

    def _fetch(self, wanted: Sequence[_Wanted]) -> None:
        by_digest = {one.packed.sha256: one for one in wanted}

        def keep(path: Path, download: Download) -> None:
            one = by_digest[download.digest]
            try:
                data = decompress_index(path, size=one.unpacked.size, sha256=one.unpacked.sha256)
                self._write(self._place(one), build_index(data, source=one.packed.sha256))
            except BadIndexError as error:
                raise FetchError(f"{download.label}: {error}") from error

        self.fetcher.fetch_files([self._download(one) for one in wanted], keep, label="indexes")

    def _download(self, wanted: _Wanted) -> Download:
        archive, packed = wanted.suite.pin.archive, wanted.packed
        folder = f"dists/{wanted.suite.pin.suite}"
        urls = self.fetcher.mirrors.urls(archive, f"{folder}/{packed.path}")
        by_hash = f"{folder}/{packed.path.rpartition('/')[0]}/by-hash/SHA256/{packed.sha256.hex}"
        named = self.fetcher.mirrors.urls(archive, by_hash) if wanted.suite.release.by_hash else ()
        return Download(
            label=f"{wanted.suite.pin.suite} {packed.path}",
            digest=packed.sha256,
            size=packed.size,
            urls=named or urls,
            fallbacks=urls if named else (),
        )

    def _place(self, wanted: _Wanted) -> Path:
        return self.fetcher.store.folder("indexes") / f"{wanted.packed.sha256.hex}.{FORMAT}"

    def _write(self, path: Path, data: bytes) -> None:
        scratch = self.fetcher.store.scratch_file(path.suffix)
        try:
            scratch.write_bytes(data)
            # Other users may share the store and need to read its files.
            scratch.chmod(0o644)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def list_stale_indexes(folder: Path) -> Iterator[Path]:
    """Yield files in the store's `indexes` folder that none of the latest Release files names."""
    releases = (path for path in list_files(folder) if path.suffix == ".InRelease")
    named = "".join(path.read_text("utf-8", "replace") for path in releases)
    for path in list_files(folder):
        if path.suffix != ".InRelease" and (path.suffix != f".{FORMAT}" or path.stem not in named):
            yield path


def _key(wanted: _Wanted) -> tuple[str, str]:
    """Return the key of an index. It includes the archive's name, which recipes choose and packages refer to."""
    return wanted.suite.pin.name, wanted.packed.sha256.hex


def _list_indexes(suite: OpenSuite, architectures: Sequence[str]) -> Iterable[_Wanted]:
    release = suite.release
    names = [a for a in architectures if a in release.architectures]
    if release.has_own_index_for_all:
        names.append("all")
    for component in suite.archive.components:
        for name in names:
            path = f"{component}/binary-{name}/Packages"
            packed, unpacked = release.find_file(f"{path}.xz"), release.find_file(path)
            if packed is None or unpacked is None:
                raise RecipeError(f"{suite.pin.suite} has no component {component}")
            if unpacked.size > _MOST_INDEX:
                raise FetchError(f"{path} of {suite.pin.suite} is too large for an index")
            if unpacked.size:
                architecture = architectures[0] if name == "all" else name
                yield _Wanted(suite=suite, architecture=architecture, packed=packed, unpacked=unpacked)
