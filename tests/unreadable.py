"""What can be in the place of a file and cannot be read like one."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

_MOST_MEMORY = 4 << 30


def _make_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)


UNREADABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "pipe": (os.mkfifo, "this is not a regular file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "this is not a regular file"),
    "full": (lambda path: path.symlink_to("/dev/full"), "this is not a regular file"),
    "memory": (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read: Input/output error"),
    "huge": (_make_huge, "this file is larger than "),
    "folder": (Path.mkdir, "this is a folder, not a file"),
    "circle": (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
    "below a file": (lambda path: path.symlink_to("/etc/passwd/x"), "cannot be read: Not a directory"),
}
"""How each is made at a path, and the problem that is reported."""


def put_unreadable(path: Path, how: str) -> str:
    """Put it in the place of a file, or of another such thing; the problem that is reported."""
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    make, problem = UNREADABLE[how]
    make(path)
    return problem


@contextlib.contextmanager
def limit_memory() -> Iterator[None]:
    """What reads without an end fails, and takes no other process along."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
