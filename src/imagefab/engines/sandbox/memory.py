"""How much memory a build's folders may take: a share of what the machine has free, or less where a control group says
so.

In a container the machine's numbers mean nothing: what counts is the group's limit, and going over it is death.

Builds that run at once, in one process or in several, whichever store they use, must not together be promised more than
there is. So each claims its share before it begins, and what is claimed is not free for the next. What a build has used
of its claim already is missing from the free memory too, and so counts twice: that errs on the safe side. A claim is a
locked file, so whatever way a process ends, its claims end with it. The files are in a folder that is the user's alone,
and those of root count for everybody: nobody else can claim what others then lack. Where there is no such folder,
nothing is claimed.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

MEMORY_WANTED = 2 << 30
"""A build with a compiler in it has about 1.5 GB in its folders; with less memory than this, they are on disk."""
_ROOTS = "/run/imagefab-memory"
_PLACES = ("/run/user/{uid}/imagefab-memory", "/tmp/imagefab-memory-{uid}")  # noqa: S108
_TURN = "turn"
_PAUSE, _PATIENCE = 0.01, 500
_numbers = itertools.count()


@contextmanager
def claim_memory(wanted: int, *, alone: bool = False) -> Iterator[int]:
    """A share of the memory for as long as the context lasts, in bytes: half of what is free, so that others find some
    too; but what is wanted, where half is less. `alone` waits until nobody else has a claim, and takes all.
    """
    with ExitStack() as claim:
        yield _take_share(claim, wanted, alone=alone)


def _take_share(claim: ExitStack, wanted: int, *, alone: bool) -> int:
    folder = _find_folder()
    while True:
        with _take_turn(folder):
            claimed = list_claims()
            if not (alone and claimed):
                free = max(0, usable_memory() - sum(claimed))
                share = free if alone else max(free // 2, min(wanted, free))
                if folder is not None:
                    name = f"{os.getpid()}-{next(_numbers)}-{share}"
                    claim.enter_context(_lock(folder / name, os.O_CREAT | os.O_EXCL))
                return share
        time.sleep(_PAUSE)


def _find_folder() -> Path | None:
    """A folder that is this user's, and that no other can write to."""
    uid = os.geteuid()
    for place in [_ROOTS] if uid == 0 else _PLACES:
        path = Path(place.format(uid=uid))
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o755, exist_ok=True)
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o022:
                return path
    return None


@contextmanager
def _take_turn(folder: Path | None) -> Iterator[None]:
    """One claim at a time."""
    with ExitStack() as stack:
        for _ in range(_PATIENCE if folder is not None else 0):
            with contextlib.suppress(BlockingIOError):
                assert folder is not None
                stack.enter_context(_lock(folder / _TURN, os.O_CREAT))
                break
            time.sleep(_PAUSE)
        # Whoever has held it for seconds is stopped. Nobody waits for such.
        yield


@contextmanager
def _lock(path: Path, flags: int = 0, *, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a file's lock; BlockingIOError when another has it."""
    # Nobody else may open it: whoever can, can lock it.
    descriptor = os.open(path, (os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC) | flags, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        yield
        if path.name != _TURN:
            with contextlib.suppress(OSError):
                path.unlink()
    finally:
        os.close(descriptor)


def list_claims() -> list[int]:
    """What this user and root have claimed, in bytes."""
    found = []
    for folder in dict.fromkeys((Path(_ROOTS), _find_folder())):
        with contextlib.suppress(OSError):
            found += [size for path in folder.iterdir() if (size := _read_claim(path))] if folder is not None else []
    return found


def _read_claim(path: Path) -> int:
    """Nothing, where its process is no more."""
    _, _, size = path.name.rpartition("-")
    if not size.isdecimal():
        return 0
    try:
        with _lock(path, kind=fcntl.LOCK_SH):
            return 0
    except BlockingIOError:
        return int(size)
    except PermissionError:
        # Root's. The name begins with the process.
        return int(size) if Path(f"/proc/{path.name.partition('-')[0]}").exists() else 0
    except OSError:
        return 0


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
