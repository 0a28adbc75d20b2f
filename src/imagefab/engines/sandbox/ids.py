"""Subordinate ids: what lets an ordinary user be root, and everybody else, inside a user namespace of its own.

Inside, root is the user and ids 1 to 65535 are subordinate ids. Only newuidmap and newgidmap may set that up.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imagefab.errors import EngineError

WANTED = 65535
"""Besides root. Debian's own accounts go up to nobody, 65534."""
LISTINGS = (("newuidmap", Path("/etc/subuid"), "--add-subuids"), ("newgidmap", Path("/etc/subgid"), "--add-subgids"))
_FIRST = 100_000
"""Where useradd begins."""


def map_ids(pid: int) -> None:
    """Give a process in a new user namespace its ids."""
    for (tool, listing, _), own in zip(LISTINGS, (os.getuid(), os.getgid()), strict=True):
        start, count = subordinate_ids(listing)
        if shutil.which(tool) is None or count < WANTED:
            raise EngineError(
                f"an ordinary user needs {tool} and {WANTED} subordinate ids in {listing} to build in the sandbox",
                hint="`imagefab doctor` prints the commands that mend it",
            )
        command = [tool, str(pid), "0", str(own), "1", "1", str(start), str(WANTED)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise EngineError(f"{tool} failed: {result.stderr.strip()}")


def subordinate_ids(path: Path) -> tuple[int, int]:
    """The largest range that is the user's: its start and length; zeros when there is none."""
    names = {str(os.getuid()), user_name()}
    own = [(start, count) for name, start, count in _read_ranges(path) if name in names]
    return max(own, key=lambda found: found[1], default=(0, 0))


def propose_range(path: Path) -> str:
    """A range that nobody has, as usermod takes it."""
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
