"""The user's own files, copied into the store when a lock is made, so that builds find them like all others.

A recipe may be untrusted: a file that it names ends up in an image that its author can pull, or could block forever. So
a file must be inside the project or a location that the person running imagefab allows, after resolving links, and it
must be a regular file.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagefab.digest import Digest
from imagefab.errors import FetchError, OwnFileError
from imagefab.files.disk import STORE, digest_file, explain_disk_errors
from imagefab.files.flags import UNLINKED, UNWAITING
from imagefab.recipe.model import OwnFileSpec
from imagefab.store.store import Store

_MADE_UP = ("/proc", "/sys")
"""File systems where files look regular but are not, and belong to no user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFiles:
    """Where the user's own files may be."""

    project: Path | None = None
    allowed: tuple[Path, ...] = ()
    """Files, and folders including their contents, that the person running imagefab allows."""

    def has(self, real: Path) -> bool:
        """Return whether a file may be used, by its path without links."""
        places = [os.path.realpath(place) for place in (self.project, *self.allowed) if place is not None]
        return any(map(real.is_relative_to, places))


class MissingFileError(OwnFileError):
    """The file does not exist."""


def pin_own_file(store: Store, spec: OwnFileSpec, old: Digest | None, files: OwnFiles) -> Digest:
    """Copy the file into the store and return its digest; if it does not exist, return the lock's digest."""
    try:
        with _open(spec, files) as file:
            digest = _digest(file)
            if spec.tops:
                _check_top(file, spec)
            _keep(store, file, spec, digest)
    except MissingFileError:
        if old is None:
            raise
        return old
    return digest


def fetch_own_file(store: Store, spec: OwnFileSpec, digest: Digest, files: OwnFiles) -> None:
    if store.has_blob(digest) and store.check_blob(digest):
        return
    try:
        with _open(spec, files) as file:
            found = _digest(file)
            if found == digest:
                _keep(store, file, spec, digest)
                return
    except MissingFileError as error:
        raise FetchError(error.problem, hint=f"the lock has the file with sha256 {digest.hex}") from None
    raise FetchError(
        f"{spec.path} is not the file that the lock names: its sha256 is {found.hex}, not {digest.hex}",
        hint="restore that file, or run `imagefab lock` to use this one",
    )


def has_changed(spec: OwnFileSpec, digest: Digest, files: OwnFiles) -> bool:
    """Return whether the file differs from the pinned one. A missing file is fine if the store has it."""
    try:
        with _open(spec, files) as file:
            return _digest(file) != digest
    except MissingFileError:
        return False


# -- opening ----------------------------------------------------------------------------------------------------------


@contextmanager
def _open(spec: OwnFileSpec, files: OwnFiles) -> Iterator[IO[bytes]]:
    try:
        descriptor = _open_regular(spec, files)
    except FileNotFoundError:
        raise MissingFileError(
            f"{spec.path} does not exist",
            path=spec.path,
            hint="paths are relative to the project or absolute; `~` is not expanded",
        ) from None
    except OSError as error:
        raise OwnFileError(f"{spec.path} can't be read: {error.strerror}", path=spec.path) from None
    with os.fdopen(descriptor, "rb") as file:
        yield file


def _open_regular(spec: OwnFileSpec, files: OwnFiles) -> int:
    """Open exactly the file that was checked, without blocking and without side effects on devices."""
    real = Path(os.path.realpath(spec.path, strict=True))
    if any(map(real.is_relative_to, _MADE_UP)):
        raise OwnFileError(f"{spec.path} is not a regular file", path=spec.path)
    if ".git" in real.parts:
        raise OwnFileError(
            f"{spec.path} belongs to git, and may contain credentials", path=spec.path, hint="copy what you need"
        )
    if not (files.has(real) or _is_vendors(spec, real)):
        raise OwnFileError(
            f"{spec.path} is {'' if str(real) == spec.path else f'a link to {real}, '}outside of the project",
            path=spec.path,
            hint=f"allow it by --allow-file {real}, or `[files] allow` in ~/.config/imagefab/imagefab.toml",
        )
    if not stat.S_ISREG(real.lstat().st_mode):
        raise OwnFileError(f"{spec.path} is not a regular file", path=spec.path)
    descriptor = os.open(real, os.O_RDONLY | UNLINKED | UNWAITING)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or _find_opened(descriptor, real) != str(real):
        os.close(descriptor)
        raise OwnFileError(f"{spec.path} changed while it was read", path=spec.path)
    return descriptor


def _find_opened(descriptor: int, real: Path) -> str:
    """Return the path of an open file, or nothing if another one is there now."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - not to be taken for a path
    now = os.path.realpath(real)
    return now if os.path.samestat(os.fstat(descriptor), os.lstat(now)) else ""


def _is_vendors(spec: OwnFileSpec, real: Path) -> bool:
    """Return whether it is a vendor's SDK, which may be anywhere: no other file has its name and its top folder."""
    return bool(spec.tops) and real.name == spec.name


def _digest(file: IO[bytes]) -> Digest:
    file.seek(0)
    return Digest(hashlib.file_digest(file, "sha256").hexdigest())  # type: ignore[arg-type]


# -- vendors' archives ------------------------------------------------------------------------------------------------


def _check_top(file: IO[bytes], spec: OwnFileSpec) -> None:
    path, tops = Path(spec.path), spec.tops
    file.seek(0)
    found = _find_top_of_zip(file, path) if path.suffix == ".zip" else _find_top_of_tarball(file, path)
    if found not in tops:
        pack = "zip -ry" if path.suffix == ".zip" else "tar -cJf"
        named = "name the file after what is in it, or " if any(top in path.name for top in tops) else ""
        raise OwnFileError(
            f"{path} should have the folder {' or '.join(tops)} in it, and has {found or 'nothing'}",
            path=str(path),
            hint=f"{named}pack it anew: {pack} {path.name} {' '.join(tops)}",
        )


def _find_top_of_tarball(file: IO[bytes], path: Path) -> str:
    try:
        with tarfile.open(fileobj=file) as tarball:
            return _find_top(member.name.removeprefix("./") for member in tarball)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise OwnFileError(f"{path} is not a tar archive: {str(error).partition(chr(10))[0]}", path=str(path)) from None


def _find_top_of_zip(file: IO[bytes], path: Path) -> str:
    try:
        with zipfile.ZipFile(file) as packed:
            return _find_top(packed.namelist())
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise OwnFileError(f"{path} is not a zip file: {error}", path=str(path)) from None


def _find_top(names: Iterable[str]) -> str:
    """Return the first top folder, skipping the metadata files that macOS adds to archives."""
    tops = (name.partition("/")[0] for name in names)
    return next((top for top in tops if top not in {".", "__MACOSX"} and not top.startswith("._")), "")


def _keep(store: Store, file: IO[bytes], spec: OwnFileSpec, digest: Digest) -> None:
    if store.has_blob(digest):
        return
    scratch = store.scratch_file()
    with explain_disk_errors(scratch, STORE):
        try:
            file.seek(0)
            with scratch.open("wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
            if digest_file(scratch) != digest:
                raise FetchError(f"{spec.path} changed while it was read", hint="try again once nothing writes to it")
            store.adopt_blob(scratch, digest)
        finally:
            scratch.unlink(missing_ok=True)
