"""What is expensive is made once in a run, and all its workers have it."""

from __future__ import annotations

import fcntl
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Shared:
    """A folder of this run. Another run has another one."""

    folder: Path

    def make_once(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of that name. Whoever comes first fills it, the others wait; who comes after a failure fails."""
        place, failure = self.folder / name, self.folder / f"{name}.failed"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if failure.exists():
                pytest.fail(f"{name} could not be made:\n{failure.read_text()}")
            if not place.exists():
                unfinished = self.folder / f"{name}.unfinished"
                unfinished.mkdir()
                try:
                    make(unfinished)
                except BaseException:
                    failure.write_text(traceback.format_exc())
                    shutil.rmtree(unfinished, ignore_errors=True)
                    raise
                unfinished.rename(place)
        return place


def find_shared(factory: pytest.TempPathFactory) -> Shared:
    """IMAGEFAB_TESTS_SHARED names a folder that stays, for whoever runs one test over and over."""
    kept = os.environ.get("IMAGEFAB_TESTS_SHARED")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        return Shared(Path(kept))
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return Shared(folder)
