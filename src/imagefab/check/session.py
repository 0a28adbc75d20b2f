"""Runs probes: lays out a folder, processes it with one command in the image, and reads the results.

All probes of a kind run in one command, because starting a command costs more than most probes do. Each has its own
time limit and process group, and what it leaves behind does not affect the next.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.check.probe import Probe
from imagefab.check.programs import read_program
from imagefab.engines.engine import Command
from imagefab.files.flags import UNLINKED, UNWAITING

INSIDE = "/project"
RUST = "/rust"
"""Where cross 0.2.5 mounts the Rust toolchain."""
USER = 12345
"""A user that does not exist in images."""
LIMIT = 300
"""The time limit of a probe in seconds. The slowest are a Rust crate under emulation, and C++ with Zig, which compiles
its library, on a busy machine."""
_MOST_OUTPUT = 1 << 20

Execute = Callable[[Command], str]
"""Runs a command in the image within its time limit, and returns the output of the command and its engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The result of a probe's script."""

    folder: Path
    code: int | None
    """None if it never started or did not end."""
    output: tuple[str, ...]
    began: bool
    """Whether the image could run anything at all."""

    @property
    def timed_out(self) -> bool:
        return self.began and self.code in (None, 124, 137)


def run_probes(
    probes: Sequence[Probe],
    folder: Path,
    env: Mapping[str, str],
    execute: Execute,
    *,
    read_only_binds: Sequence[tuple[str, str]] = (),
) -> dict[str, Ran]:
    """Run probes, each as an arbitrary user or as root. Those that did not end have no exit code."""
    found: dict[str, Ran] = {}
    for root in (False, True):
        chosen = [probe for probe in probes if probe.root == root]
        if chosen:
            place = folder / ("root" if root else "user")
            place.mkdir()
            place.chmod(0o777)
            _lay_out(chosen, place)
            command = Command(
                argv=("sh", "-c", read_program("driver.sh"), "check", *(probe.name for probe in chosen)),
                env=(*env.items(), ("LIMIT", str(LIMIT))),
                cwd=INSIDE,
                user=None if root else (USER, USER),
                binds=((str(place), INSIDE),),
                read_only_binds=tuple(read_only_binds),
                read_only=not root,
                limit=60.0 + LIMIT * len(chosen),
            )
            said = execute(command).splitlines()
            began = (place / "started").is_file()
            found |= {probe.name: _read(place, probe.name, said, began=began) for probe in chosen}
    return found


def _lay_out(probes: Sequence[Probe], place: Path) -> None:
    for probe in probes:
        (place / f"{probe.name}.sh").write_text(probe.script)
        home = place / probe.name
        home.mkdir()
        home.chmod(0o777)
        for name, path in probe.files:
            shutil.copyfile(path, home / name)


def _read(place: Path, name: str, said: Sequence[str], *, began: bool) -> Ran:
    code = _read_text(place / f"{name}.code").strip()
    lines = _read_text(place / f"{name}.log").splitlines() if began else said
    return Ran(folder=place / name, code=int(code) if code.isdecimal() else None, output=tuple(lines), began=began)


def _read_text(path: Path) -> str:
    """Read the output of an untrusted program: it may be missing, huge, or not a regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | UNLINKED | UNWAITING)
        with os.fdopen(descriptor, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _MOST_OUTPUT))
            return file.read(_MOST_OUTPUT).decode(errors="replace")
    except OSError:
        return ""
