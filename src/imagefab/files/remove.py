"""Remove folders with anything in them: thousands of levels, names of 255 bytes, folders without permissions.

`shutil.rmtree` is recursive, and stops where it has no permission. Here, folders that are too deep are moved up.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from imagefab.files.flags import FOLDER, UNLINKED

_DEEPEST = 64
_FLAGS = os.O_RDONLY | FOLDER | UNLINKED


@dataclass(frozen=True, slots=True)
class _Level:
    descriptor: int
    name: str
    pending: list[str]
    """Its subfolders that are left."""


def remove_tree(path: str) -> None:
    """Remove a folder or a file. OSError names the first thing that can't be removed; the rest is gone."""
    if os.unlink not in os.supports_dir_fd:  # as on Windows, where no build leaves such folders
        shutil.rmtree(path)
        return
    parent = os.open(os.path.dirname(path) or ".", os.O_RDONLY | FOLDER)
    try:
        name = os.path.basename(path)
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            _remove_folder(parent, name)
        else:
            os.unlink(name, dir_fd=parent)
    finally:
        os.close(parent)


def _remove_folder(parent: int, name: str) -> None:
    problems: list[OSError] = []
    levels = [_enter(parent, name, problems)]
    count, mark = 0, f".{os.urandom(8).hex()}"
    try:
        while levels:
            level = levels[-1]
            above = levels[-2].descriptor if len(levels) > 1 else parent
            with _collecting(problems):
                if not level.pending:
                    levels.pop()
                    os.close(level.descriptor)
                    os.rmdir(level.name, dir_fd=above)
                elif len(levels) <= _DEEPEST:
                    levels.append(_enter(level.descriptor, level.pending.pop(), problems))
                else:
                    count += 1
                    moved, child = f"{mark}-{count}", level.pending.pop()
                    _unlock(level.descriptor, child)
                    os.rename(child, moved, src_dir_fd=level.descriptor, dst_dir_fd=levels[0].descriptor)
                    levels[0].pending.append(moved)
    finally:
        for level in levels:
            os.close(level.descriptor)
    if problems:
        raise problems[0]


@contextlib.contextmanager
def _collecting(problems: list[OSError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problems.append(error)


def _enter(parent: int, name: str, problems: list[OSError]) -> _Level:
    """Open a folder, and remove everything in it except subfolders."""
    _unlock(parent, name)
    descriptor = os.open(name, _FLAGS, dir_fd=parent)
    pending = []
    try:
        with os.scandir(descriptor) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        os.close(descriptor)
        raise
    for child, is_folder in found:
        if is_folder:
            pending.append(child)
            continue
        with _collecting(problems):
            os.unlink(child, dir_fd=descriptor)
    return _Level(descriptor, name, pending)


def _unlock(parent: int, name: str) -> None:
    """Give a folder's owner full permissions on it."""
    with contextlib.suppress(OSError):
        mode = stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(name, stat.S_IRWXU, dir_fd=parent)
