"""Write files atomically, replacing nothing but files, and explain disk errors."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import ImagefabError

_OBSTRUCTIONS = {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}


class DiskError(ImagefabError):
    """A file can't be written: the disk is full or read-only, or the path is forbidden or taken."""

    exit_code = 5


class StoreError(DiskError):
    """The store can't be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do about a file that can't be written, which depends on its purpose."""

    error: type[DiskError] = DiskError
    full: str
    """When the disk is full."""
    forbidden: str
    """When it is read-only, or the user may not write there."""
    obstructed: str
    """When something else is in the way, or files can't be made there."""


STORE = Remedy(
    error=StoreError,
    full="free some space, run `imagefab gc`, or use another store with --store DIR",
    forbidden="use a store that is yours: --store DIR or IMAGEFAB_STORE",
    obstructed="the store must be a folder: --store DIR or IMAGEFAB_STORE",
)
PROJECT = Remedy(
    full="free some space there",
    forbidden="imagefab writes into the project: make it writable for you, or work in a copy",
    obstructed="move away what is in its place",
)
OUTPUT = Remedy(
    full="free some space there, or name a folder on another disk",
    forbidden="name a folder where you may write",
    obstructed="name a folder that can be made",
)


def digest_file(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def write_atomic(
    path: Path, data: bytes, mode: int = 0o644, *, remedy: Remedy = PROJECT, within: Path | None = None
) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    It replaces only a regular file. `within` is as in `refuse_way_out`.
    """
    with explain_disk_errors(path, remedy):
        if within is not None:
            refuse_way_out(path, within, remedy)
        _refuse_obstacle(path, remedy)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def write_new(path: Path, data: bytes, *, remedy: Remedy = PROJECT, within: Path) -> bool:
    """Write a new file and its parent folders; returns False if something, even a link, is already there."""
    refuse_way_out(path, within, remedy)
    with explain_disk_errors(path, remedy, every=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(data)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return True


def refuse_way_out(path: Path, within: Path, remedy: Remedy = PROJECT) -> None:
    """DiskError if a link among a file's parent folders leads out of `within`: a checkout may be untrusted."""
    folder = Path(os.path.realpath(path.parent))
    if not folder.is_relative_to(os.path.realpath(within)):
        raise remedy.error(f"can't write {path}: a link leads out of {within}, to {folder}", hint="remove that link")


def _refuse_obstacle(path: Path, remedy: Remedy) -> None:
    """DiskError if something is there that a file must not replace. A folder can't be replaced anyway."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise remedy.error(f"can't write {path}: {name_obstacle(mode)} is in its place", hint=remedy.obstructed)


def name_obstacle(mode: int) -> str:
    """Name the kind of something that is not a regular file."""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def make_folder(path: Path, remedy: Remedy = PROJECT) -> None:
    """Make a folder and its parents, unless they exist."""
    with explain_disk_errors(path, remedy, every=True):
        path.mkdir(parents=True, exist_ok=True)


def list_files(folder: Path) -> list[Path]:
    """List the files in a folder; none if it does not exist or is a link."""
    return _list_entries(folder, lambda entry: entry.is_file(follow_symlinks=False))


def list_folders(folder: Path) -> list[Path]:
    return _list_entries(folder, lambda entry: entry.is_dir(follow_symlinks=False))


def _list_entries(folder: Path, choose: Callable[[os.DirEntry[str]], bool]) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(Path(entry) for entry in entries if choose(entry))


@contextlib.contextmanager
def explain_disk_errors(path: Path, remedy: Remedy = PROJECT, *, every: bool = False) -> Iterator[None]:
    """Turn disk errors into messages that say what to do.

    `every` is for the first use of a place, which may fail for odd reasons: nothing can be made in /proc. Later, the
    same errors would be bugs.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise remedy.error(f"the disk is full: {path}", hint=remedy.full) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise remedy.error(f"can't write {path}: {error.strerror}", hint=remedy.forbidden) from error
        if every or error.errno in _OBSTRUCTIONS:
            raise remedy.error(f"can't use {path}: {error.strerror}", hint=remedy.obstructed) from error
        raise
