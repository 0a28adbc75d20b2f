"""Probes of a debugger, with one of the target's programs under the runner."""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import words
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject

_DEBUGGER = "CROSS_DEBUGGER"


def make_debug_probe(subject: Subject, build: str, program: str, said: str) -> Iterator[Probe]:
    """Yield the probe if a debugger and a runner exist. `build` is a script that makes the program, which prints
    `said`."""
    debugger = words(subject.env.get(_DEBUGGER, ""))
    runner = words(subject.find_cargo("RUNNER"))
    if debugger and runner:
        name = "debug-native.sh" if subject.runs_with == "native" else "debug-remote.sh"
        script = read_program(name, debugger=debugger, runner=runner, program=program, said=said)
        yield Probe(
            name="debug",
            what="GDB stops a program at main and lets it finish",
            script=build + script,
        )
