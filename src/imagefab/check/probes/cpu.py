"""The probe of the processor that a runner emulates: it is no newer than what the image's label says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import place, words
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject
from imagefab.toolchains.blueprint import CPU_CLAIM

_NEWEST = {"aarch64": "max", "arm": "max", "thumb": "max", "riscv": "max", "powerpc64": "power10"}
"""How triples start → a processor, in QEMU's words, that has what newer-cpu.c uses."""


def make_cpu_probe(subject: Subject, cc: str) -> Iterator[Probe]:
    """Yield the probe if the image names the processor. `cc` is the compiler, quoted."""
    cpu = subject.labels.get(CPU_CLAIM)
    runner = words(subject.find_cargo("RUNNER"))
    newest = next((name for start, name in _NEWEST.items() if subject.triple.startswith(start)), None)
    if cpu and runner and newest:
        option = "-DWITHOUT_NEON " if "neon=off" in cpu else ""
        yield Probe(
            name="cpu",
            what=f"programs run on {cpu}, and end with SIGILL where they need a newer processor",
            script=place("newer.c", "newer-cpu.c")
            + f"{cc} {option}newer.c -o newer\n"
            + read_program("oldest-cpu.sh", runner=runner, cpu=shlex.quote(cpu), newest=newest),
        )
