"""The ids in the sandbox's user namespaces.

There are two namespaces, one inside the other. In the worker's, ids 0 to 65534 are a range of host ids that no user
has, followed by the caller's ids, so that the worker can read and write the caller's files. The step's has only that
range: no id of a host user is in it, and files of the host's users belong to the user nobody there.

Root writes the maps itself, and takes an unused range. Other users have subordinate ids, which only newuidmap and
newgidmap may set up. Files that an ordinary user makes with `imagefab run` in the mounted folder must belong to that
user: for that command only, root is the caller.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.errors import EngineError

WANTED = 65535
"""Debian's own accounts go up to nobody, 65534."""
LISTINGS = (("newuidmap", Path("/etc/subuid"), "--add-subuids"), ("newgidmap", Path("/etc/subgid"), "--add-subgids"))
_FIRST = 100_000
"""Where useradd starts."""
_FIRST_OF_ROOT = 0x60000000
"""Within the range that systemd leaves to containers (524288 to 1879048191), and far above what accounts get."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A line of a map."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdMap:
    """A worker's ids: those of steps first."""

    step: tuple[Extent, ...]
    caller: tuple[Extent, ...]

    def find(self, outside: int) -> int:
        """Translate a host id into the worker's."""
        for extent in (*self.step, *self.caller):
            if extent.outside <= outside < extent.outside + extent.count:
                return extent.inside + outside - extent.outside
        return 0


def choose_maps(*, as_caller: bool) -> tuple[IdMap, IdMap]:
    """Choose the users and groups of a worker. `as_caller` makes an ordinary user root in it."""
    if os.geteuid() == 0:
        return _choose_range("uid"), _choose_range("gid")
    found = []
    for (tool, listing, _), own in zip(LISTINGS, (os.getuid(), os.getgid()), strict=True):
        start, count = subordinate_ids(listing)
        if shutil.which(tool) is None or count < WANTED:
            raise EngineError(
                f"an ordinary user needs {tool} and {WANTED} subordinate ids in {listing} to build in the sandbox",
                hint="`imagefab doctor` prints the commands to set them up",
            )
        if as_caller:
            found.append(IdMap(step=(Extent(0, own, 1), Extent(1, start, WANTED - 1)), caller=()))
        else:
            found.append(IdMap(step=(Extent(0, start, WANTED),), caller=(Extent(WANTED, own, 1),)))
    return found[0], found[1]


def _choose_range(kind: str) -> IdMap:
    """Choose a range for root; the caller's ids are the host's, because root may build from any user's files."""
    start = propose_root_range(*(listing for _, listing, _ in LISTINGS))
    if start + WANTED > _count_ids(Path(f"/proc/self/{kind}_map")):
        # This is a container with few ids, which are not the host's own either.
        return IdMap(step=(Extent(0, 0, WANTED),), caller=())
    return IdMap(step=(Extent(0, start, WANTED),), caller=(Extent(WANTED, 0, WANTED),))


def propose_root_range(*listings: Path) -> int:
    """The start of a range that no user of this machine has: root's subordinate ids, if there are any."""
    taken = []
    for listing in listings:
        for name, start, count in _read_ranges(listing):
            if name in ("root", "0") and count >= WANTED and start >= _FIRST:
                return start
            taken.append((start, start + count))
    taken += [(one, one + 1) for account in pwd.getpwall() for one in (account.pw_uid, account.pw_gid)]
    found = _FIRST_OF_ROOT
    for start, end in sorted(taken):
        if start < found + WANTED and found < end:
            found = end
    return found


def _count_ids(path: Path) -> int:
    """The number of ids that are mapped without a gap."""
    end = 0
    for inside, _, count in sorted(tuple(map(int, line.split())) for line in path.read_text().splitlines()):
        if inside > end:
            break
        end = max(end, inside + count)
    return end


def write_maps(pid: int, users: Sequence[Extent], groups: Sequence[Extent]) -> None:
    """Write the id maps of a process in a new user namespace, as root or with newuidmap and newgidmap."""
    if os.geteuid() == 0:
        write_map_files(pid, users, groups)
        return
    for (tool, _, _), extents in zip(LISTINGS, (users, groups), strict=True):
        numbers = [str(number) for extent in extents for number in (extent.inside, extent.outside, extent.count)]
        result = subprocess.run([tool, str(pid), *numbers], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise EngineError(f"{tool} failed: {result.stderr.strip()}")


def write_map_files(pid: int, users: Sequence[Extent], groups: Sequence[Extent]) -> None:
    """Write the id maps directly, which needs the capability for it."""
    for kind, extents in (("uid", users), ("gid", groups)):
        lines = (f"{extent.inside} {extent.outside} {extent.count}\n" for extent in extents)
        Path(f"/proc/{pid}/{kind}_map").write_text("".join(lines))


def subordinate_ids(path: Path) -> tuple[int, int]:
    """The start and length of the user's largest range; zeros if there is none."""
    names = {str(os.getuid()), user_name()}
    own = [(start, count) for name, start, count in _read_ranges(path) if name in names]
    return max(own, key=lambda found: found[1], default=(0, 0))


def propose_range(path: Path) -> str:
    """An unused range, in usermod's syntax."""
    start = max([_FIRST, *(start + count for _, start, count in _read_ranges(path))])
    return f"{start}-{start + WANTED}"


def user_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _read_ranges(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        name, _, numbers = line.strip().partition(":")
        start, _, count = numbers.partition(":")
        if start.isdecimal() and count.isdecimal():
            yield name, int(start), int(count)
