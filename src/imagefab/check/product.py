"""What a compiled file is: for which machine, whether it stands alone, and which C library it needs at least.

The files come out of an image that may be anybody's, so nothing about them is believed: what can't be read is told.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_MACHINES = {
    "x86_64": ("EM_X86_64", 64, True),
    "i686": ("EM_386", 32, True),
    "aarch64": ("EM_AARCH64", 64, True),
    "armv7": ("EM_ARM", 32, True),
    "arm": ("EM_ARM", 32, True),
    "riscv64gc": ("EM_RISCV", 64, True),
    "powerpc": ("EM_PPC", 32, False),
    "powerpc64": ("EM_PPC64", 64, False),
    "powerpc64le": ("EM_PPC64", 64, True),
    "s390x": ("EM_S390", 64, False),
    "loongarch64": ("EM_LOONGARCH", 64, True),
    "mips": ("EM_MIPS", 32, False),
    "mipsel": ("EM_MIPS", 32, True),
    "mips64": ("EM_MIPS", 64, False),
    "mips64el": ("EM_MIPS", 64, True),
    "sparc64": ("EM_SPARCV9", 64, False),
}
"""A triple's first part → what is in the ELF headers of its programs: machine, bits, little-endian."""

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)+)\Z")
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})+\Z")


class UnreadableError(Exception):
    """Not a program, or a damaged one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    machine: str
    bits: int
    little: bool
    static: bool
    """It needs neither a dynamic linker nor a library."""
    glibc: tuple[int, ...]
    """The newest version of the GNU C library's symbols that it needs; empty for none."""

    @property
    def architecture(self) -> str:
        order = "little" if self.little else "big"
        return f"{self.machine.removeprefix('EM_')}, {self.bits} bits, {order}-endian"


def pointer_bits(triple: str) -> int | None:
    known = _MACHINES.get(triple.partition("-")[0])
    return known[1] if known else None


def read_binary(path: Path) -> Binary:
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            elf = ELFFile(file)
            versions = [
                version.name
                for section in elf.iter_sections()
                if isinstance(section, GNUVerNeedSection)
                for _, needed in section.iter_versions()
                for version in needed
            ]
            segments = list(elf.iter_segments())
            needed = [
                tag
                for s in segments
                if isinstance(s, DynamicSegment)
                for tag in s.iter_tags()
                if tag.entry.d_tag == "DT_NEEDED"
            ]
            return Binary(
                machine=str(elf["e_machine"]),
                bits=elf.elfclass,
                little=elf.little_endian,
                static=not needed and not any(s["p_type"] == "PT_INTERP" for s in segments),
                glibc=max((_parse(m[1]) for name in versions if (m := _GLIBC.match(name))), default=()),
            )
    except ELFError as error:
        raise UnreadableError(f"it is no ELF file: {error}") from error
    except OSError as error:
        raise UnreadableError(error.strerror or "it can't be read") from error
    except Exception as error:
        raise UnreadableError(f"it is damaged: {error}") from error


def find_fault(binary: Binary, triple: str, *, static: bool) -> str | None:
    """Why a binary is not one for the target; None when it is."""
    known = _MACHINES.get(triple.partition("-")[0])
    if known and (binary.machine, binary.bits, binary.little) != known:
        return f"it is for another machine: {binary.architecture}"
    if static and not binary.static:
        return "it is not static"
    return None


def print_version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def parse_version(text: str) -> tuple[int, ...] | None:
    return _parse(text) if _VERSION.match(text) else None


def _parse(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
