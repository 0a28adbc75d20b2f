"""The probe of the processor that a runner emulates: it is no newer than what the image's label says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import place, words
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject
from imagefab.toolchains.blueprint import CPU_CLAIM

_NEON = """\
#ifdef __thumb__
    __asm__ volatile(".inst.w 0xef200800" ::: "memory"); /* vadd.i32 d0, d0, d0 */
#else
    __asm__ volatile(".inst 0xf2200800" ::: "memory");
#endif
"""
_DIVIDE = """\
#ifdef __thumb__
    __asm__ volatile(".inst.w 0xfbb0f0f0" ::: "r0", "memory"); /* udiv r0, r0, r0 */
#else
    __asm__ volatile(".inst 0xe730f010" ::: "r0", "memory");
#endif
"""
_NEWER = {
    "aarch64": ("max", '    __asm__ volatile(".inst 0x2e408400" ::: "v0"); /* sqrdmlah v0.4h, v0.4h, v0.4h */'),
    "riscv": ("max", '    __asm__ volatile(".4byte 0x20a52533" ::: "a0"); /* sh1add a0, a0, a0 */'),
    "powerpc64": ("power10", '    __asm__ volatile(".long 0x7c630434" ::: "r3"); /* cnttzw r3, r3 */'),
    "arm": ("max", _DIVIDE),
    "thumb": ("max", _DIVIDE),
}
"""How triples start → a processor that has an instruction which older ones lack, and the C code for it."""


def make_cpu_probe(subject: Subject, cc: str) -> Iterator[Probe]:
    """Yield the probe if the image names the processor. `cc` is the compiler, quoted."""
    cpu = subject.labels.get(CPU_CLAIM)
    runner = words(subject.find_cargo("RUNNER"))
    found = next((_NEWER[start] for start in _NEWER if subject.triple.startswith(start)), None)
    if not cpu or not runner or not found:
        return
    newest, instruction = found
    if "neon=off" in cpu:
        instruction = _NEON
    yield Probe(
        name="cpu",
        what=f"programs run on {cpu}, and end with SIGILL where they need a newer processor",
        script=place("newer.c", "newer-cpu.c", instruction=instruction.rstrip())
        + f"{cc} newer.c -o newer\n"
        + read_program("oldest-cpu.sh", runner=runner, cpu=shlex.quote(cpu), newest=newest),
    )
