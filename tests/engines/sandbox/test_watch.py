"""What is looked at while a step runs."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from imagefab.engines.sandbox import watch
from imagefab.engines.sandbox.watch import Watch, measure_folder
from imagefab.limits import Limits

LIMITS = Limits(processes=100, memory=1000, disk=1 << 20, time=60)


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watch, "measure_processes", lambda: (1, 0))
    monkeypatch.setattr(watch, "measure_shares", lambda: 0)
    return Watch(limits=LIMITS, folders=(str(tmp_path),))


def test_nothing_in_excess(looking: Watch) -> None:
    assert looking.find_excess() is None


def test_time(looking: Watch) -> None:
    looking.began -= 61
    assert looking.find_excess() == "time"
    forever = Watch(limits=Limits(time=None), folders=looking.folders, began=looking.began - 1e6)
    assert forever.find_excess() is None


def test_processes(looking: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    looking.began -= 1
    assert looking.interval == watch._INTERVAL
    monkeypatch.setattr(watch, "measure_processes", lambda: (100, 0))
    assert looking.find_excess() is None
    assert looking.interval == watch._SOON, "more are to be expected"
    monkeypatch.setattr(watch, "measure_processes", lambda: (101, 0))
    assert looking.find_excess() == "processes"


def test_memory_that_is_shared_counts_once(looking: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "measure_processes", lambda: (1, 5000))
    assert looking.find_excess() is None
    monkeypatch.setattr(watch, "measure_shares", lambda: 1001)
    assert looking.find_excess() == "memory"


def test_what_others_write_is_not_the_steps(looking: Watch, tmp_path: Path) -> None:
    looking.free += 1 << 40
    assert looking.find_excess() is None
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/file").write_bytes(b"x" * (2 << 20))
    looking.free += 1 << 40
    assert looking.find_excess() == "disk"


def test_a_folder_is_measured_on_disk(tmp_path: Path) -> None:
    before = measure_folder(str(tmp_path))
    (tmp_path / "link").symlink_to("/usr")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert 100_000 <= measure_folder(str(tmp_path)) - before < 200_000
    assert measure_folder(str(tmp_path / "nothing")) == 0


def test_the_kernels_part() -> None:
    script = """
import resource
from imagefab.engines.sandbox.watch import hold_files, hold_processes
from imagefab.limits import Limits
hold_processes(Limits(processes=1000))
hold_files(Limits(disk=1 << 20))
print(*resource.getrlimit(resource.RLIMIT_NPROC), *resource.getrlimit(resource.RLIMIT_FSIZE))
"""
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    soft, hard, *sizes = map(int, result.stdout.split())
    assert sizes == [1 << 20, 1 << 20]
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    assert soft == hard
    assert soft > 2000 or soft == most
