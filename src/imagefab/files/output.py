"""Write to a path that the user names: files are replaced atomically, anything else is written to directly.

/dev/null, a named pipe, /dev/stdout and the shell's `>(…)` take what is written to them. Replacing them with a file, as
is right for files, would break them for every process: for root, even /dev/null.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from imagefab.errors import UsageError
from imagefab.files.disk import OUTPUT, explain_disk_errors, name_obstacle, write_atomic

_SYSTEM = (Path("/dev"), Path("/proc"))
"""Where links stand for open files."""
_STREAMS = (1, 2)


def check_output(path: Path, what: str) -> None:
    """UsageError if `what` can't be written there, as far as that can be seen: better now than after an hour."""
    try:
        obstacle = _find_obstacle(path)
        if obstacle is None and not is_stream(path):
            # A file is written next to its final path first.
            with tempfile.TemporaryFile(dir=path.absolute().parent):
                pass
    except OSError as error:
        obstacle = f"{error.strerror}"
    if obstacle is not None:
        raise UsageError(
            f"can't write {what} to {path}: {obstacle}", hint="name a file in a folder where you may write"
        )


def write_output(path: Path, data: bytes) -> None:
    """Write the data; DiskError if that fails."""
    with explain_disk_errors(path, OUTPUT, every=True):
        if not is_stream(path):
            write_atomic(path.absolute(), data, remedy=OUTPUT)
            return
        with os.fdopen(_open_stream(path), "wb") as stream:
            stream.write(data)


def is_stream(path: Path) -> bool:
    """Whether the path is something to write through, not a file."""
    mode = _find_mode(path)
    return mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _find_obstacle(path: Path) -> str | None:
    """Name what is in the way of a file, unless it is a stream."""
    if not path.absolute().parent.is_dir():
        return f"there is no folder {path.parent}"
    mode = _find_mode(path)
    if mode is None or stat.S_ISREG(mode) or is_stream(path):
        return None
    return f"{name_obstacle(mode)} is in its place"


def _find_mode(path: Path) -> int | None:
    """Return the mode of what is there. A link in /dev or /proc counts as a stream, even to an open file."""
    try:
        if not path.is_symlink() or not _is_systems(path):
            return path.lstat().st_mode
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IFIFO if stat.S_ISREG(mode) else mode


def _is_systems(path: Path) -> bool:
    return any(Path(os.path.abspath(path)).is_relative_to(folder) for folder in _SYSTEM)


def _open_stream(path: Path) -> int:
    """Open a stream, but reuse a standard stream: it may be a file, which would be opened again at its start."""
    wanted = path.stat()
    for number in _STREAMS:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(number), wanted):
                return os.dup(number)
    return os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOCTTY", 0))
