"""Debian's suites: what kinds and runners ask for by another name in one than in the next, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.recipe.model import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    gcc: int
    """The version of GCC that the cross compilers are; a library of GCC's is built from the source of the same."""
    has_stripped_gcc: bool = True
    """Else most of its cross compilers is debug information."""
    has_all_headers: bool = True
    """The kernel's headers are there for all architectures, in the folder of headers that each has; else there is no
    such folder before packages of that architecture are installed."""
    has_nostdlibcxx: bool = True
    """Its g++ can be told to link without the C++ library."""
    has_semihosting: bool = True
    """Programs can ask picolibc to begin and to speak through semihosting."""
    has_default_picolibc: bool = False
    """picolibc's libraries for the variant that GCC takes for the default are there under that variant's name too."""
    has_wide_time: bool = True
    """Its GCC and libraries have 64 bits for time and file offsets on 32-bit targets, i386 aside."""
    riscv_machines: str = "qemu-system-riscv"
    """The package with QEMU's RISC-V machines."""
    emulators: str = "qemu-user"
    """The package with QEMU's emulators that need no libraries. Older suites have others, which do, under that name."""
    emulator_suffix: str = ""
    """What that package adds to an emulator's name."""


_SUITES = {
    "bullseye": Suite(
        gcc=10,
        has_stripped_gcc=False,
        has_all_headers=False,
        has_nostdlibcxx=False,
        has_semihosting=False,
        has_wide_time=False,
        riscv_machines="qemu-system-misc",
        emulators="qemu-user-static",
        emulator_suffix="-static",
    ),
    "bookworm": Suite(
        gcc=12,
        has_all_headers=False,
        has_nostdlibcxx=False,
        has_default_picolibc=True,
        has_wide_time=False,
        riscv_machines="qemu-system-misc",
        emulators="qemu-user-static",
        emulator_suffix="-static",
    ),
    "trixie": Suite(gcc=14),
}


def find_suite(recipe: Recipe) -> Suite:
    """The recipe's base suite; one that the table does not have is taken to be like the newest that it has."""
    return _SUITES.get(recipe.archives[0].suite, _SUITES["trixie"])
