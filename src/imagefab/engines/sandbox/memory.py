"""How much memory a build's folders may use: a share of the machine's free memory, or less if a cgroup limits it.

In a container the machine's numbers mean nothing: what counts is the cgroup's limit, and exceeding it is fatal.

Concurrent builds, in one process or several and whichever store they use, must not be promised more memory in total
than there is. So each claims its share before it starts, and claimed memory is not free for the next. What a build has
already used of its claim is missing from the free memory too, and so counts twice, which errs on the safe side. A claim
is a locked file, so a process's claims end with it, however it ends. The files are in a folder that only the user can
write to, and root's claims count for every user: no other user's claims can deprive anyone of memory. Where there is no
such folder, nothing is claimed.
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
"""A build with a compiler has about 1.5 GB in its folders; with less memory than this, they are on disk."""
_ROOTS = "/run/imagefab-memory"
_PLACES = ("/run/user/{uid}/imagefab-memory", "/tmp/imagefab-memory-{uid}")  # noqa: S108
_TURN = "turn"
_PAUSE, _PATIENCE = 0.01, 500
_numbers = itertools.count()


@contextmanager
def claim_memory(wanted: int, *, alone: bool = False) -> Iterator[int]:
    """Claim a share of memory while the context lasts, in bytes.

    It is half of what is free, so that others find some too, or what is wanted if half is less. `alone` waits until
    there are no other claims, and takes everything.
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
    """Return a folder that belongs to this user, and that no other user can write to."""
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
    """Make one claim at a time."""
    with ExitStack() as stack:
        for _ in range(_PATIENCE if folder is not None else 0):
            with contextlib.suppress(BlockingIOError):
                assert folder is not None
                stack.enter_context(_lock(folder / _TURN, os.O_CREAT))
                break
            time.sleep(_PAUSE)
        # A process that has held the lock for seconds is stopped, and is not waited for.
        yield


@contextmanager
def _lock(path: Path, flags: int = 0, *, kind: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold a file's lock; BlockingIOError if it is taken."""
    # No other user may open it, because a user who can open it can lock it.
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
    """The claims of this user and of root, in bytes."""
    found = []
    for folder in dict.fromkeys((Path(_ROOTS), _find_folder())):
        with contextlib.suppress(OSError):
            found += [size for path in folder.iterdir() if (size := _read_claim(path))] if folder is not None else []
    return found


def _read_claim(path: Path) -> int:
    """Return a claim's size; 0 if its process is gone."""
    _, _, size = path.name.rpartition("-")
    if not size.isdecimal():
        return 0
    try:
        with _lock(path, kind=fcntl.LOCK_SH):
            return 0
    except BlockingIOError:
        return int(size)
    except PermissionError:
        # It is root's. The name begins with the process id.
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
    """What is left under each cgroup limit that applies to this process."""
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
            # Limits further up apply too. In a container the path may be the host's, of which only the top is here.
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
