"""Locks on files, between processes. The kernel releases them when a process ends, however it ends.

Windows has none that several can share. There, nothing is built: what is written to a store are whole files.
"""

from __future__ import annotations

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


def lock_file(descriptor: int, *, shared: bool = False) -> None:
    """Lock a file, waiting for whoever has it."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(descriptor: int) -> None:
    """Lock a file; OSError if somebody has it."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
