"""How much of the machine a step may have. imagefab.toml sets it, under `[limits]`."""

from __future__ import annotations

import os
from dataclasses import dataclass

MEGABYTE = 1_000_000
_PROCESSES = 4096
_DISK = 50_000 * MEGABYTE
_TIME = 4 * 3600
"""Under emulation, a compiler's library takes an hour."""


def _choose_memory() -> int:
    """Three quarters of what the machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 * 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    processes: int = _PROCESSES
    """Threads of all of them."""
    memory: int = 0
    """Bytes; 0 is a share of what the machine has."""
    disk: int = _DISK
    """Bytes that it writes, and that one file may have."""
    time: float | None = _TIME
    """Seconds that a step of a build may take; commands in an image have no such limit of their own."""

    def __post_init__(self) -> None:
        if not self.memory:
            object.__setattr__(self, "memory", _choose_memory())


def describe_excess(limits: Limits, kind: str) -> str:
    """The limit that something went over."""
    match kind:
        case "processes":
            return f"{limits.processes} processes at once"
        case "time":
            return f"{limits.time:.0f} seconds"
        case _:
            return f"{getattr(limits, kind) // MEGABYTE} MB of {kind}"
