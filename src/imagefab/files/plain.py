"""The one way to read a project's files whole, whatever is in their place.

A checkout may be untrusted, and a file in it a pipe without a writer or a link to an endless device. So only regular
files are read, and only up to a size that such a file can have.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imagefab.errors import ImagefabError
from imagefab.files.flags import UNWAITING

MOST_WRITTEN = 1 << 20
"""The most bytes of a file that a person writes."""
MOST_GENERATED = 16 << 20
"""The most bytes of a file that imagefab writes."""


class BadFileError(ImagefabError):
    """A file can't be read. The error has no position: the caller knows the file's name, and what to do."""

    exit_code = 3


class NoFileError(BadFileError):
    """There is no such file."""


def read_bytes(path: Path, most: int = MOST_WRITTEN) -> bytes:
    """Read a regular file of sensible size; BadFileError if it is not one."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadFileError("this is a folder, not a file")
        if not stat.S_ISREG(mode):
            raise BadFileError("this is not a regular file")
        with open(path, "rb", opener=_open_without_waiting) as stream:
            data: bytes | None = stream.read(most + 1)
    except FileNotFoundError:
        raise NoFileError("this is a broken link" if path.is_symlink() else "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFileError(f"cannot be read: {reason}") from None
    if data is None:
        raise BadFileError("can't be read: it is a pipe or a device")
    if len(data) > most:
        raise BadFileError(f"this file is larger than {most >> 20} MiB")
    return data


def read_text(path: Path, most: int = MOST_WRITTEN) -> str:
    """Read such a file as UTF-8 text."""
    try:
        return read_bytes(path, most).decode()
    except UnicodeDecodeError:
        raise BadFileError("this is not UTF-8 text") from None


def has_bytes(path: Path, data: bytes) -> bool:
    """Whether a file has exactly that content; False if it can't be read."""
    try:
        return read_bytes(path, len(data)) == data
    except BadFileError:
        return False


def _open_without_waiting(path: str, flags: int) -> int:
    """Open without blocking: some files in /proc look regular and make a reader wait."""
    return os.open(path, flags | UNWAITING)


def is_there(path: Path) -> bool:
    """Whether something is at a path; False if that can't be seen."""
    try:
        return path.exists()
    except OSError:
        return False
