"""What a program needs in order to boot under a runner without an operating system.

Each such program has a `main`, and prints with `say`. With a C library that is all; elsewhere startup code in assembler
and C is linked in: it sets up a stack, prints lines, and stops the machine with `main`'s exit code.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a program needs besides its `main`."""

    sources: tuple[tuple[str, str], ...]
    """File names, and the programs that become these files."""
    options: tuple[str, ...] = ()
    """Linker options, passed to the compiler."""
    has_libc: bool = False


_STARTS = {
    "aarch64": Start(
        sources=(("start.S", "bare-start-aarch64.S"), ("say.c", "bare-say-aarch64.c")),
        # The start of the machine's memory is taken by the device tree.
        options=("-Wl,--image-base=0x40100000",),
    ),
    # Nothing boots it here.
    "loongarch64": Start(sources=(("start.c", "bare-start-nowhere.c"),)),
    "x86_64": Start(sources=(("start.S", "bare-start-x86.S"), ("say.c", "bare-say-x86.c"))),
}
"""By a triple's first part."""
_WITH_LIBC = Start(sources=(("say.c", "bare-say-libc.c"),), has_libc=True)


def find_start(stem: str) -> Start:
    return _STARTS.get(stem, _WITH_LIBC)
