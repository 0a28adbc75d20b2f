"""How much of the machine a step may use, set under `[limits]` in imagefab.toml."""

from __future__ import annotations

import os
from dataclasses import dataclass

MEGABYTE = 1_000_000
_PROCESSES = 4096
_DISK = 50_000 * MEGABYTE
_TIME = 4 * 3600
"""Under emulation, building a compiler's library takes an hour."""


def _choose_memory() -> int:
    """Three quarters of the machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    processes: int = _PROCESSES
    """Counted as threads."""
    memory: int = 0
    """Bytes; 0 means a share of the machine's memory."""
    disk: int = _DISK
    """Bytes that it may write, and that a single file may have."""
    time: float | None = _TIME
    """Seconds that a build step may take; commands in an image don't have this limit."""

    def __post_init__(self) -> None:
        if not self.memory:
            object.__setattr__(self, "memory", _choose_memory())


def describe_excess(limits: Limits, kind: str) -> str:
    """Describe the limit that was exceeded."""
    match kind:
        case "processes":
            return f"{limits.processes} processes at once"
        case "time":
            return f"{limits.time:.0f} seconds"
        case _:
            return f"{getattr(limits, kind) // MEGABYTE} MB of {kind}"
