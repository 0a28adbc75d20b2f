"""How much memory may be used, as the kernel's files say it, and who has claimed how much of it."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagefab.engines.sandbox import memory
from imagefab.engines.sandbox.memory import claim_memory, list_claims, usable_memory

GB = 1 << 30


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 33554432 kB\nMemAvailable: 16777216 kB\n")
    return tmp_path


def limit(folder: Path, most: str, taken: int, cached: int, names: tuple[str, str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{most}\n")
    (folder / names[1]).write_text(f"{taken}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cached}\n")


NEW = ("memory.max", "memory.current", "inactive_file")
OLD = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def usable(machine: Path) -> int:
    return usable_memory(proc=machine / "proc", groups=machine / "groups")


def test_no_control_groups(machine: Path) -> None:
    assert usable(machine) == 12 * GB


def test_a_group_without_a_limit(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/user\n")
    limit(machine / "groups/user", "max", GB, 0, NEW)
    assert usable(machine) == 12 * GB


@pytest.mark.parametrize("where", ["groups/a/b", "groups/a", "groups", "groups/unified/a"])
def test_a_limit_anywhere_above(where: str, machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/a/b\n")
    limit(machine / where, str(4 * GB), 2 * GB, 2 * GB, NEW)
    assert usable(machine) == 3 * GB


def test_the_older_kind(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("5:cpu:/c\n4:hugetlb,memory:/c\n")
    limit(machine / "groups/memory/c", str(8 * GB), 4 * GB, 0, OLD)
    assert usable(machine) == 3 * GB


def test_a_group_that_is_over_its_limit(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/a\n")
    limit(machine / "groups/a", str(GB), 2 * GB, 0, NEW)
    assert usable(machine) == 0


def test_what_cannot_be_read_is_no_limit(machine: Path) -> None:
    (machine / "proc/self/cgroup").write_text("0::/a\n4:memory:/gone\n")
    (machine / "groups/a").mkdir(parents=True)
    (machine / "groups/a/memory.max").write_text("nonsense\n")
    assert usable(machine) == 12 * GB


# -- claims: real locks, in a folder of the test's own -----------------------------------------------------------------

CLAIMING = """
import sys
from imagefab.engines.sandbox import memory

memory._ROOTS = sys.argv[1]
memory._PLACES = (sys.argv[1],)
memory.usable_memory = lambda: 16 << 30
with memory.claim_memory(2 << 30) as share:
    print(share, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A machine with 16 GB to give away, of which nobody has claimed anything."""
    found = str(tmp_path / "claims")
    monkeypatch.setattr(memory, "_ROOTS", found)
    monkeypatch.setattr(memory, "_PLACES", (found,))
    monkeypatch.setattr(memory, "usable_memory", lambda: 16 * GB)
    return found


def start_another(name: str) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIMING, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.usefixtures("name")
def test_builds_at_once_get_what_is_left() -> None:
    """Half of it each, or what is wanted; never more in all than there is."""
    with ExitStack() as stack:
        shares = [stack.enter_context(claim_memory(2 * GB)) for _ in range(6)]
        assert shares == [8 * GB, 4 * GB, 2 * GB, 2 * GB, 0, 0]
        assert sum(list_claims()) == 16 * GB
    assert list_claims() == []
    with claim_memory(2 * GB) as share:
        assert share == 8 * GB


def test_all_of_what_is_wanted_where_half_would_be_less(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "usable_memory", lambda: 3 * GB)
    with claim_memory(2 * GB) as first, claim_memory(2 * GB) as second:
        assert (first, second) == (2 * GB, GB)


def test_other_processes_count_until_they_die(name: str) -> None:
    process, share = start_another(name)
    with process:
        with claim_memory(2 * GB) as rest:
            assert (share, rest) == (8 * GB, 4 * GB)
        process.kill()
    with claim_memory(2 * GB) as all_again:
        assert all_again == 8 * GB


@pytest.mark.usefixtures("name")
def test_claims_at_the_same_moment() -> None:
    began, claimed = threading.Barrier(8), threading.Barrier(8)

    def claim() -> int:
        began.wait()
        with claim_memory(2 * GB) as share:
            claimed.wait()
            return share

    with ThreadPoolExecutor(8) as pool:
        shares = [future.result() for future in [pool.submit(claim) for _ in range(8)]]
    assert sorted(shares, reverse=True) == [8 * GB, 4 * GB, 2 * GB, 2 * GB, 0, 0, 0, 0]


def test_alone_waits_for_the_others_and_takes_all(name: str) -> None:
    process, _ = start_another(name)
    waiting = threading.Event()

    def claim_all() -> int:
        waiting.set()
        with claim_memory(2 * GB, alone=True) as share:
            return share

    with ThreadPoolExecutor(1) as pool, process:
        future = pool.submit(claim_all)
        waiting.wait()
        assert not future.done()
        process.communicate()
        assert future.result() == 16 * GB


def test_a_turn_that_does_not_end_is_not_waited_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_PATIENCE", 3)
    Path(name).mkdir()
    with (Path(name) / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with claim_memory(2 * GB) as share:
            assert share == 8 * GB


def test_a_killed_process_leaves_no_claim(name: str) -> None:
    process, _ = start_another(name)
    with process:
        process.kill()
    assert list(Path(name).glob("*-*"))
    assert list_claims() == []
    assert not list(Path(name).glob("*-*"))


def test_nobody_else_can_claim(name: str) -> None:
    """What other users bind or lock, and a folder that others may write to, does not count."""
    with ExitStack() as stack:
        for taken in ("imagefab-memory-turn", f"imagefab-memory/1-1/{16 * GB}"):
            held = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):  # a build of another version may have the turn
                held.bind(f"\0{taken}")
        assert list_claims() == []
        with claim_memory(2 * GB) as share:
            assert share == 8 * GB
    Path(name).chmod(0o777)
    with claim_memory(2 * GB) as share:
        assert share == 8 * GB
        assert list(Path(name).iterdir()) == [Path(name) / "turn"]
