"""Check that a step stays within its limits, a few times a second, in the first process of its PID namespace.

The kernel itself limits a step's number of processes, for all users in it together (from Linux 5.14 on), and the size
of a single file. Its limits for memory, disk and time need a cgroup, which an ordinary user has only where the system
delegates one. So these are watched: a step that exceeds them is ended a moment later.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagefab.limits import Limits

_INTERVAL, _SOON = 0.25, 0.02
"""Seconds between checks, normally and when more is to be expected: at the start, and with many processes."""
_BEGINNING = 0.5
_HEADROOM = 2000
"""For processes started between checks, and for those that started the step and are not part of it."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LONGEST = 4000


def offer_to_end() -> None:
    """If memory runs out all the same, let the kernel kill this process and its children before any other."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("900")


def hold_processes(limits: Limits) -> None:
    """Limit the number of processes in namespaces made from now on."""
    # More than the limit: a step that can't fork ends, and before the next check the reason would be lost.
    _lower(resource.RLIMIT_NPROC, 2 * limits.processes + _HEADROOM)


def hold_files(limits: Limits) -> None:
    """Limit the file size for the calling process and its children."""
    _lower(resource.RLIMIT_FSIZE, limits.disk)


def _lower(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (bound, bound))


@dataclass(slots=True, kw_only=True)
class Watch:
    limits: Limits
    folders: tuple[str, ...]
    """What the step writes to."""
    began: float = field(default_factory=time.monotonic)
    processes: int = 0
    """At the last count."""
    used: int = 0
    """Bytes on disk, at the last measurement."""
    free: int = 0

    def __post_init__(self) -> None:
        self.free = _measure_free(self.folders)

    def find_excess(self) -> str | None:
        """Return the limit that the step exceeds, if any."""
        if self.limits.time is not None and time.monotonic() - self.began > self.limits.time:
            return "time"
        self.processes, memory = measure_processes()
        if self.processes > self.limits.processes:
            return "processes"
        nameless = measure_nameless()
        if memory + nameless.memory > self.limits.memory and measure_shares(nameless.memory) > self.limits.memory:
            return "memory"
        return "disk" if self._is_over_disk(nameless.disk) else None

    @property
    def interval(self) -> float:
        """Seconds until the next check."""
        begins = time.monotonic() - self.began < _BEGINNING
        return _SOON if begins or self.processes > self.limits.processes // 4 else _INTERVAL

    def _is_over_disk(self, nameless: int) -> bool:
        """Others use the disk too, so what the step wrote is added up only once the disk is that much fuller."""
        free = _measure_free(self.folders)
        if self.free - free <= self.limits.disk - self.used:
            return False
        self.free = free
        self.used = sum(measure_folder(folder) for folder in self.folders) + nameless
        return self.used > self.limits.disk


def _measure_free(folders: tuple[str, ...]) -> int:
    found = os.statvfs(folders[0])
    return found.f_bfree * found.f_frsize


def _list_processes() -> Iterator[str]:
    """All processes but this one, which is the first."""
    return (name for name in os.listdir("/proc") if name.isdecimal() and name != "1")


@dataclass(frozen=True, slots=True)
class Nameless:
    """Bytes in open files that have no name."""

    memory: int
    disk: int


def measure_nameless() -> Nameless:
    """Measure files in memory (memfd), and files removed while open."""
    sizes: dict[tuple[int, int], tuple[bool, int]] = {}
    for name in _list_processes():
        with contextlib.suppress(OSError), os.scandir(f"/proc/{name}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    target = os.readlink(entry.path)
                    if target.endswith(" (deleted)"):
                        found = os.stat(entry.path)
                        is_memory = target.startswith(("/memfd:", "/dev/", "/SYSV"))
                        sizes[found.st_dev, found.st_ino] = is_memory, found.st_blocks * 512
    return Nameless(
        memory=sum(size for is_memory, size in sizes.values() if is_memory),
        disk=sum(size for is_memory, size in sizes.values() if not is_memory),
    )


def measure_processes() -> tuple[int, int]:
    """Count threads and bytes of resident memory; shared memory counts more than once."""
    threads = memory = 0
    for name in _list_processes():
        with contextlib.suppress(OSError, ValueError):
            threads += os.stat(f"/proc/{name}/task").st_nlink - 2
            memory += int(Path(f"/proc/{name}/statm").read_text().split()[1]) * _PAGE
    return threads, memory


def measure_shares(nameless: int) -> int:
    """Measure memory in bytes, dividing shared memory among the processes that share it.

    Files without names take memory whether they are mapped or not, and are known; other shared memory is mapped.
    """
    own = shared = 0
    for name in _list_processes():
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{name}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss_Anon:"):
                    own += int(line.split()[1]) << 10
                elif line.startswith("Pss_Shmem:"):
                    shared += int(line.split()[1]) << 10
    return own + max(shared, nameless)


def measure_folder(folder: str) -> int:
    """A folder's size on disk, in bytes."""
    found, pending = 0, [folder]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if len(os.fsencode(entry.path)) > _LONGEST:
                    # The path is too long to see what is there. No layer could contain it either.
                    return 1 << 62
                with contextlib.suppress(OSError):
                    found += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return found
