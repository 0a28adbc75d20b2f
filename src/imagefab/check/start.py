"""What a program needs around it on no system, to be booted under a runner.

Each such program has a `main`, and says what it says through `say`. With a C library that is all; elsewhere a start of
its own, in assembler and C, is linked along: it has a stack, says lines, and ends the machine with `main`'s exit code.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a program needs beside its `main`."""

    sources: tuple[tuple[str, str], ...]
    """Names that they get, and the programs."""
    options: tuple[str, ...] = ()
    """For the linker, through the compiler."""
    has_libc: bool = False


_STARTS = {
    "aarch64": Start(
        sources=(("start.S", "bare-start-aarch64.S"), ("say.c", "bare-say-aarch64.c")),
        # The machine's memory; its first part has the device tree.
        options=("-Wl,--image-base=0x40100000",),
    ),
    "x86_64": Start(sources=(("start.S", "bare-start-x86.S"), ("say.c", "bare-say-x86.c"))),
}
"""By the first part of a triple."""
_WITH_LIBC = Start(sources=(("say.c", "bare-say-libc.c"),), has_libc=True)


def find_start(stem: str) -> Start:
    return _STARTS.get(stem, _WITH_LIBC)
