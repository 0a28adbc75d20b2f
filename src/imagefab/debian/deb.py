"""Reads the contents of a .deb strictly, as untrusted input.

It may be a decompression bomb or attempt path traversal: callers limit sizes, whatever the package declares; names are
normalised and stay inside; nothing may be below a link, and no link is followed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

from imagefab.debian.ar import DebError, Member, find_member, list_members, open_member
from imagefab.debian.control import parse_stanza

MOST_CONTROL = 64 << 20
_LEAST_LIMIT, _LARGEST_RATIO = 256 << 20, 60
_MOST_FIELDS = 4 << 20
_MOST_HEADER = 1 << 20
_UNREADABLE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError, OverflowError)
_DECODERS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {"xz": lzma.open, "gz": gzip.open, "bz2": bz2.open}  # type: ignore[dict-item]
_LONG_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def limit_data(path: Path) -> int:
    """Return the default limit of what a package unpacks to. Debian's own seldom unpack to thirty times their size."""
    return _LEAST_LIMIT + _LARGEST_RATIO * path.stat().st_size


def read_control(path: Path) -> dict[str, str]:
    """Return the fields of the package's control file."""
    with _open_tar(path, "control.tar", MOST_CONTROL) as tar:
        for member in tar:
            if member.name in ("control", "./control"):
                content = tar.extractfile(member) if member.isreg() and member.size <= _MOST_FIELDS else None
                if content is None:
                    raise DebError("its control file is not a plain small file")
                return parse_stanza(content.read().decode().strip("\n"))
        raise DebError("it has no control file")


def iter_data(
    path: Path, *, most: int | None = None, devices: bool = False
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the package's files in their order, each with its content if it is a regular file.

    Names have neither a leading nor a trailing slash; the root folder itself is left out. Content must be read before
    the next file is requested.
    """
    with _open_tar(path, "data.tar", limit_data(path) if most is None else most) as tar:
        yield from _iter_members(tar, devices=devices)


def iter_tarball(data: bytes, name: str, *, most: int) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """Yield the files of a compressed tar from inside a package, as `iter_data` does."""
    try:
        with (
            _DECODERS[name.rpartition(".")[2]](io.BytesIO(data)) as content,
            tarfile.open(fileobj=content, mode="r|", tarinfo=_StrictTarInfo) as tar,
        ):
            yield from _iter_members(tar, devices=False, most=most)
    except DebError as error:
        raise DebError(f"{name}: {error.problem}") from error
    except _UNREADABLE as error:
        raise DebError(f"{name}: cannot be read: {error}") from error


def _iter_members(
    tar: tarfile.TarFile, *, devices: bool, most: int | None = None
) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    links: set[str] = set()
    total = 0
    for member in tar:
        _check_member(member, links, devices=devices)
        total += member.size
        if most is not None and total > most:
            raise DebError("it unpacks to more than is allowed")
        if member.name:
            yield member, tar.extractfile(member) if member.isreg() else None


def extract_member(path: Path, member: str, *, most: int | None = None) -> bytes:
    """Return the content of one regular file, reading no further than its end. * matches part of a name."""
    wanted = _inner_path(member)
    for found, content in iter_data(path, most=most):
        if fnmatchcase(found.name, wanted) and found.name.count("/") == wanted.count("/"):
            if content is None:
                what = f"a link to {found.linkname}" if found.linkname else "not a plain file"
                raise DebError(f"{path.name}: {member} is {what}")
            return content.read()
    raise DebError(f"{path.name}: has no file {member}")


def _check_member(member: tarfile.TarInfo, links: set[str], *, devices: bool) -> None:
    member.name = _inner_path(member.name)
    _refuse_links(posixpath.dirname(member.name), links)
    if member.islnk():
        member.linkname = _inner_path(member.linkname)
        _refuse_links(posixpath.dirname(member.linkname), links)
    is_plain = member.isreg() or member.isdir() or member.issym() or member.islnk()
    if member.issparse() or not (is_plain or (devices and member.isdev())):
        raise DebError(f"{member.name} is a kind of file that packages can't contain")
    if not member.name and not member.isdir():
        raise DebError("its root is not a folder")
    if member.issym():
        links.add(member.name)


def _inner_path(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise DebError(f"{name!r} leads out of the package")
    return "/".join(parts)


def _refuse_links(folder: str, links: set[str]) -> None:
    while folder:
        if folder in links:
            raise DebError(f"it has files below the link {folder}")
        folder = posixpath.dirname(folder)


@contextmanager
def _open_tar(path: Path, stem: str, most: int) -> Iterator[tarfile.TarFile]:
    """Open the tar in the package whose name begins with `stem`, as a stream of at most that many bytes."""
    with path.open("rb") as file:
        try:
            members = list_members(file)
            _check_parts(file, members)
            with (
                open_member(file, find_member(members, stem), decode=True) as content,
                tarfile.open(fileobj=Bounded(content, most), mode="r|", tarinfo=_StrictTarInfo, bufsize=1 << 18) as tar,
            ):
                yield tar
        except DebError as error:
            raise DebError(f"{path.name}: {error.problem}") from error
        except _UNREADABLE as error:
            raise DebError(f"{path.name}: cannot be read: {error}") from error


def _check_parts(file: IO[bytes], members: Sequence[Member]) -> None:
    names = [member.name for member in members]
    if [name.partition(".")[0] for name in names] != ["debian-binary", "control", "data"]:
        raise DebError(f"not a Debian package: it consists of {', '.join(names) or 'nothing'}")
    file.seek(members[0].offset)
    if file.read(min(members[0].size, 2)) != b"2.":
        raise DebError("a package of another format")


class Bounded(io.RawIOBase):
    """A stream that raises an error when it exceeds its limit."""

    def __init__(self, inner: IO[bytes], most: int) -> None:
        self._inner = inner
        self._left = most

    def read(self, size: int = -1) -> bytes:
        data = self._inner.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DebError("it unpacks to more than is allowed")
        return data


class _StrictTarInfo(tarfile.TarInfo):
    """Rejects long headers before they are read: tarfile would hold them in memory, whatever their size."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type in _LONG_HEADERS and self.size > _MOST_HEADER:
            raise DebError("a tar header in it is too large")
        return super()._proc_member(tar)  # type: ignore[misc]
