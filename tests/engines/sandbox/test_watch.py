"""What is looked at while a step runs."""

from __future__ import annotations

import mmap
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imagefab.engines.sandbox import watch
from imagefab.engines.sandbox.watch import Watch, measure_folder, measure_nameless, measure_shares
from imagefab.files.remove import remove_tree
from imagefab.limits import Limits

LIMITS = Limits(processes=100, memory=1000, disk=1 << 20, time=60)


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(watch, "measure_processes", lambda: (1, 0))
    monkeypatch.setattr(watch, "measure_shares", lambda nameless: 0)
    monkeypatch.setattr(watch, "measure_nameless", lambda: watch.Nameless(0, 0))
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
    monkeypatch.setattr(watch, "measure_shares", lambda nameless: 1001)
    assert looking.find_excess() == "memory"


def test_what_others_write_is_not_the_steps(looking: Watch, tmp_path: Path) -> None:
    looking.free += 1 << 40
    assert looking.find_excess() is None
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/file").write_bytes(b"x" * (2 << 20))
    looking.free += 1 << 40
    assert looking.find_excess() == "disk"


def test_files_without_names(tmp_path: Path) -> None:
    """What is in them is in no folder, and may be mapped by nobody."""
    before = measure_nameless()
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(b"x" * (3 << 20))
        file.flush()
        descriptor = os.memfd_create("hidden")
        try:
            os.write(descriptor, b"x" * (2 << 20))
            after = measure_nameless()
        finally:
            os.close(descriptor)
    assert after.memory - before.memory >= 2 << 20
    assert after.disk - before.disk >= 3 << 20


def test_shared_memory_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_list_processes", lambda: [str(os.getpid())])
    with mmap.mmap(-1, 4 << 20) as shared:
        before = measure_shares(0)
        shared.write(b"x" * (4 << 20))
        assert measure_shares(0) - before >= 3 << 20
    assert measure_shares(1 << 40) >= 1 << 40


def test_what_no_path_leads_to_is_over_any_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=folder)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    assert measure_folder(str(tmp_path)) > 1 << 60
    remove_tree(str(tmp_path / ("x" * 250)))


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
