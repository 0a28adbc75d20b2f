"""What runs on this machine, and what builds must not leave behind on it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 120


def list_command_lines() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            yield int(folder.name), words[:-1]


def list_processes(words: str) -> list[int]:
    """Those whose command line is just that."""
    return [number for number, found in list_command_lines() if " ".join(found) == words]


def list_processes_of(store: Path) -> list[str]:
    """Command lines of processes that have to do with a store."""
    lines = (" ".join(words) for _, words in list_command_lines())
    return [line for line in lines if str(store) in line and "pytest" not in line]


def wait_until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not so after {seconds} seconds"
        time.sleep(0.05)


def assert_nothing_left(store: Path) -> None:
    """No process, no mount, no half-written blob."""
    deadline = time.monotonic() + 30
    while (left := list_processes_of(store)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert str(store) not in Path("/proc/self/mounts").read_text()
    for blob in store.glob("blobs/sha256/*/*"):
        if blob.stat().st_mtime > time.time() - 3600:
            digest = subprocess.run(["sha256sum", blob], capture_output=True, text=True, check=True).stdout[:64]
            assert digest == blob.name
