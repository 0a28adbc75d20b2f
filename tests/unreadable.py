"""What can lie where a file should be, and is none that can be read."""

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
"""How it is made at a path, and what is said of it."""


def put_unreadable(path: Path, how: str) -> str:
    """Put it in a file's place; what is said of it."""
    path.unlink(missing_ok=True)
    make, problem = UNREADABLE[how]
    make(path)
    return problem


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Whoever reads without an end fails, and takes nobody along."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
