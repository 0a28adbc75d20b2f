"""Debian's suites: the differences between them that kinds and runners need to know, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from imagefab.recipe.model import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    gcc: int
    """The cross compilers' version of GCC; libraries of GCC are built from the same version's source."""
    has_stripped_gcc: bool = True
    """If false, most of the cross compilers is debug information."""
    has_all_headers: bool = True
    """Whether the kernel's headers are there for all architectures, in each one's header folder. If false, that folder
    does not exist until packages of the architecture are installed."""
    has_nostdlibcxx: bool = True
    """Whether g++ has an option to link without the C++ library."""
    has_semihosting: bool = True
    """Whether picolibc can start programs and do their I/O through semihosting."""
    has_default_picolibc: bool = False
    """Whether picolibc's libraries for GCC's default variant are also available under that variant's name."""
    has_wide_time: bool = True
    """Whether GCC and the libraries use 64 bits for time and file offsets on 32-bit targets, except i386."""
    has_arm_without_neon: bool = True
    """Whether QEMU can take NEON, and half of the floating point registers, from an Arm processor."""
    riscv_machines: str = "qemu-system-riscv"
    """The package with QEMU's RISC-V machines."""
    emulators: str = "qemu-user"
    """The package with QEMU's static emulators. In older suites, qemu-user has emulators that need libraries."""
    emulator_suffix: str = ""
    """The suffix of an emulator's name in that package."""


_SUITES = {
    "bullseye": Suite(
        gcc=10,
        has_stripped_gcc=False,
        has_all_headers=False,
        has_nostdlibcxx=False,
        has_semihosting=False,
        has_wide_time=False,
        has_arm_without_neon=False,
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
        has_arm_without_neon=False,
        riscv_machines="qemu-system-misc",
        emulators="qemu-user-static",
        emulator_suffix="-static",
    ),
    "trixie": Suite(gcc=14),
}


def find_suite(recipe: Recipe) -> Suite:
    """Return the recipe's base suite; one that is not in the table is treated like the newest one that is."""
    return _SUITES.get(recipe.archives[0].suite, _SUITES["trixie"])
