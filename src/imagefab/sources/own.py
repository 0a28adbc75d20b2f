"""Files that the user has: copied into the store when a lock is made, so that builds find them like all others."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import FetchError, OwnFileError, RecipeError
from imagefab.oci.disk import STORE, explain_disk_errors
from imagefab.recipe.model import OwnFileSpec
from imagefab.sources.store import BlobStore, digest_file


def pin_own_file(store: BlobStore, spec: OwnFileSpec, old: Digest | None) -> Digest:
    """What is there now; where nothing is, what the lock has already."""
    path = Path(spec.path)
    if not path.exists() and old is not None:
        return old
    digest = _digest(path)
    if spec.tops:
        _check_top(path, spec.tops)
    _keep(store, path, digest)
    return digest


def fetch_own_file(store: BlobStore, spec: OwnFileSpec, digest: Digest) -> None:
    if store.has_blob(digest) and store.check_blob(digest):
        return
    path = Path(spec.path)
    try:
        found = _digest(path)
    except RecipeError as error:
        raise FetchError(error.problem, hint=f"the lock wants the file with sha256 {digest.hex}") from None
    if found != digest:
        raise FetchError(
            f"{spec.path} is not the file that the lock names: its sha256 is {found.hex}, not {digest.hex}",
            hint="bring that file back, or run `imagefab lock` to take this one",
        )
    _keep(store, path, digest)


def has_changed(spec: OwnFileSpec, digest: Digest) -> bool:
    """Whether another file lies there than the one that was pinned. To have none is fine where the store has it."""
    path = Path(spec.path)
    return path.exists() and _digest(path) != digest


def _check_top(path: Path, tops: tuple[str, ...]) -> None:
    found = _find_top_of_zip(path) if path.suffix == ".zip" else _find_top_of_tarball(path)
    if found not in tops:
        pack = "zip -ry" if path.suffix == ".zip" else "tar -cJf"
        named = "name the file after what is in it, or " if any(top in path.name for top in tops) else ""
        raise OwnFileError(
            f"{path} should have the folder {' or '.join(tops)} in it, and has {found or 'nothing'}",
            path=str(path),
            hint=f"{named}pack it anew: {pack} {path.name} {' '.join(tops)}",
        )


def _find_top_of_tarball(path: Path) -> str:
    try:
        with tarfile.open(path) as tarball:
            return _find_top(member.name.removeprefix("./") for member in tarball)
    except (tarfile.TarError, OSError, EOFError, lzma.LZMAError) as error:
        raise OwnFileError(f"{path} is no tarball: {str(error).partition(chr(10))[0]}", path=str(path)) from None


def _find_top_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as file:
            return _find_top(file.namelist())
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise OwnFileError(f"{path} is no zip file: {error}", path=str(path)) from None


def _find_top(names: Iterable[str]) -> str:
    """The first folder. Macs put files of their own beside others', with what only they know of those."""
    tops = (name.partition("/")[0] for name in names)
    return next((top for top in tops if top not in {".", "__MACOSX"} and not top.startswith("._")), "")


def _digest(path: Path) -> Digest:
    try:
        if not path.is_file():
            raise OwnFileError(
                f"{path} is {'no plain file' if path.exists() else 'not there'}",
                path=str(path),
                hint="paths are relative to the project's folder, or absolute; `~` stands for nothing",
            )
        return digest_file(path)
    except OSError as error:
        raise OwnFileError(f"{path} can't be read: {error.strerror}", path=str(path)) from error


def _keep(store: BlobStore, path: Path, digest: Digest) -> None:
    if store.has_blob(digest):
        return
    scratch = store.scratch_file()
    with explain_disk_errors(scratch, STORE):
        try:
            shutil.copyfile(path, scratch)
            if digest_file(scratch) != digest:
                raise FetchError(f"{path} changes while it is read", hint="try again when it is at rest")
            store.adopt_blob(scratch, digest)
        finally:
            scratch.unlink(missing_ok=True)
