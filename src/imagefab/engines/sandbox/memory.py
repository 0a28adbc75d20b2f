"""How much memory a build's folders may take: a share of what the machine has free, or less where a control group says
so.

In a container the machine's numbers mean nothing: what counts is the group's limit, and going over it is death.

Builds that run at once, in one process or in several, whoever's they are and whichever store they use, must not
together be promised more than there is. So each claims its share before it begins, and what is claimed is not free for
the next. What a build has used of its claim already is missing from the free memory too, and so counts twice: that
errs on the safe side. A claim is a socket that nobody talks to, in the kernel's table of names: everybody can read that
table, and whatever way a process ends, its claims end with it.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

MEMORY_WANTED = 2 << 30
"""A build with a compiler in it has about 1.5 GB in its folders; with less memory than this, they are on disk."""
_NAME = "imagefab-memory"
_PAUSE, _PATIENCE = 0.01, 500
_numbers = itertools.count()


@contextmanager
def claim_memory(wanted: int, *, alone: bool = False) -> Iterator[int]:
    """A share of the memory for as long as the context lasts, in bytes: half of what is free, so that others find some
    too; but what is wanted, where half is less. `alone` waits until nobody else has a claim, and takes all.
    """
    claim, share = _take_share(wanted, alone=alone)
    with claim:
        yield share


def _take_share(wanted: int, *, alone: bool) -> tuple[socket.socket, int]:
    while True:
        with _take_turn():
            claimed = list_claims()
            if not (alone and claimed):
                free = max(0, usable_memory() - sum(claimed))
                share = free if alone else max(free // 2, min(wanted, free))
                return _bind(f"{_NAME}/{os.getpid()}-{next(_numbers)}/{share}"), share
        time.sleep(_PAUSE)


@contextmanager
def _take_turn() -> Iterator[None]:
    """One claim at a time: a name can be taken once."""
    with ExitStack() as stack:
        for _ in range(_PATIENCE):
            try:
                stack.enter_context(_bind(f"{_NAME}-turn"))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            time.sleep(_PAUSE)
        # Whoever has held it for seconds is stopped, or means harm. Nobody waits for such.
        yield


def _bind(name: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        found.bind(f"\0{name}")
    except OSError:
        found.close()
        raise
    return found


def list_claims(*, proc: Path = Path("/proc")) -> list[int]:
    """What everybody has claimed, in bytes."""
    try:
        names = (proc / "net/unix").read_text(errors="replace")
    except OSError:
        return []
    return [int(size) for size in re.findall(rf" @{_NAME}/\d+-\d+/(\d+)$", names, re.MULTILINE)]


def usable_memory(*, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """How large scratch space in memory may grow, in bytes."""
    return min([_available(proc), *_group_rooms(proc, groups)]) * 3 // 4


def _available(proc: Path) -> int:
    for line in (proc / "meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def _group_rooms(proc: Path, groups: Path) -> Iterator[int]:
    """What is left below each limit that holds for this process."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounts, limit = [groups, groups / "unified"], "memory.max"
            used, cached = "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mounts, limit = [groups / "memory"], "memory.limit_in_bytes"
            used, cached = "memory.usage_in_bytes", "total_inactive_file"
        else:
            continue
        for mount in mounts:
            own = mount / path.strip("/")
            # Limits further up hold too. In a container the path may be the host's, of which only the top is here.
            for folder in (own, *own.parents):
                room = _read_room(folder, limit, used, cached)
                if room is not None:
                    yield room
                if folder == mount:
                    break


def _read_room(folder: Path, limit: str, used: str, cached: str) -> int | None:
    try:
        most, taken = (folder / limit).read_text().strip(), int((folder / used).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return None if most == "max" else max(0, int(most) - taken + int(statistics.get(cached, 0)))
    except (OSError, ValueError):
        return None
