"""Inspects a compiled file: its machine, whether it is static, and the C library that it needs.

The files may come from an untrusted image, so nothing about them is trusted: unreadable files are reported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from imagefab.check.headers import BITS, MACH_O, PE, WASM, UnreadableError, read_header
from imagefab.check.metered import meter
from imagefab.files.flags import UNLINKED, UNWAITING
from imagefab.recipe.target import TARGETS

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

_ELF_MACHINES = {
    "x86_64": ("EM_X86_64", 64, True),
    "x86_64-unknown-linux-gnux32": ("EM_X86_64", 32, True),
    **dict.fromkeys(("i586", "i686"), ("EM_386", 32, True)),
    "aarch64": ("EM_AARCH64", 64, True),
    "aarch64_be": ("EM_AARCH64", 64, False),
    **dict.fromkeys(("arm", "armv5te", "armv7", "thumbv7neon"), ("EM_ARM", 32, True)),
    **dict.fromkeys(("riscv64", "riscv64gc", "riscv64imac"), ("EM_RISCV", 64, True)),
    **dict.fromkeys(
        (f"riscv32{letters}" for letters in ("i", "im", "ima", "imac", "imafc", "imc", "gc")), ("EM_RISCV", 32, True)
    ),
    "powerpc": ("EM_PPC", 32, False),
    "powerpc64": ("EM_PPC64", 64, False),
    "powerpc64le": ("EM_PPC64", 64, True),
    "s390x": ("EM_S390", 64, False),
    "loongarch64": ("EM_LOONGARCH", 64, True),
    **dict.fromkeys(("mips", "mipsisa32r6"), ("EM_MIPS", 32, False)),
    **dict.fromkeys(("mipsel", "mipsisa32r6el"), ("EM_MIPS", 32, True)),
    **dict.fromkeys(("mips64", "mipsisa64r6"), ("EM_MIPS", 64, False)),
    **dict.fromkeys(("mips64el", "mipsisa64r6el"), ("EM_MIPS", 64, True)),
    "m68k": ("EM_68K", 32, False),
    "hexagon": ("EM_QDSP6", 32, True),
    "sparc64": ("EM_SPARCV9", 64, False),
    "avr": ("EM_AVR", 32, True),
    "bpfel": ("EM_BPF", 64, True),
    "bpfeb": ("EM_BPF", 64, False),
    **dict.fromkeys(("thumbv6m", "thumbv7m", "thumbv7em", "thumbv8m.base", "thumbv8m.main"), ("EM_ARM", 32, True)),
    **dict.fromkeys(("armv4t", "thumbv4t", "thumbv5te", "armv6", "armv7a", "armv7r", "armv8r"), ("EM_ARM", 32, True)),
}
"""A triple, or its first part → the ELF headers of its programs: machine, bits, little-endian."""

_POINTERS = {"avr": 16}
"""A triple's first part → the size of a pointer in bits, where it is not that of the ELF file."""

_FORMATS = {
    "windows": PE,
    "uefi": PE,
    "darwin": MACH_O,
    "wasi": WASM,
    "wasip2": WASM,
    "unknown": WASM,
    "emscripten": WASM,
}
"""By system; ELF for all others."""

_ARM_ARCHITECTURES = {
    1: "v4", 2: "v4T", 3: "v5T", 4: "v5TE", 5: "v5TEJ", 6: "v6", 7: "v6KZ", 8: "v6T2", 9: "v6K", 10: "v7",
    11: "v6-M", 12: "v6S-M", 13: "v7E-M", 14: "v8", 15: "v8-R", 16: "v8-M.base", 17: "v8-M.main",
}  # fmt: skip
"""The values of Tag_CPU_arch, in the ABI's order."""
_NEWEST_ARM = {"armv4t": 2, "thumbv4t": 2, "armv5te": 4, "thumbv5te": 4, "arm": 6, "armv6": 9}
"""The newest architecture that a target's programs may need, by a triple's first part. Other targets have no limit."""
_MOST_ATTRIBUTES = 100
_MOST_OF_SECTION = 4096
_FLAGS = os.O_RDONLY | UNLINKED | UNWAITING | getattr(os, "O_BINARY", 0)

_GLIBC = re.compile(r"GLIBC_(\d+(?:\.\d+)+)\Z")
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    format: str
    machine: str
    bits: int
    little: bool
    static: bool
    """Whether it needs neither a dynamic linker nor a library."""
    glibc: tuple[int, ...]
    """The newest glibc symbol version that it needs; empty for none."""
    arm: int | None = None
    """For 32-bit Arm: the number of the architecture in its attributes; None if they do not contain one."""

    @property
    def architecture(self) -> str:
        order = "little" if self.little else "big"
        machine = self.machine.removeprefix("EM_")
        if self.arm is not None:
            machine += _ARM_ARCHITECTURES.get(self.arm, f" architecture {self.arm}")
        return f"{machine}, {self.bits} bits, {order}-endian"


def pointer_bits(triple: str) -> int | None:
    known = _find_machine(triple)
    return _POINTERS.get(triple.partition("-")[0], known[1]) if known else None


def _find_machine(triple: str) -> tuple[str, int, bool] | None:
    stem, form = triple.partition("-")[0], _find_format(triple)
    if form is None:
        return _ELF_MACHINES.get(triple, _ELF_MACHINES.get(stem))
    machine = "wasm32" if stem == "wasm32v1" else stem
    bits = BITS.get((form, machine))
    return (machine, bits, True) if bits else None


def _find_format(triple: str) -> str | None:
    target = TARGETS.get(triple)
    return _FORMATS.get(target.os) if target else None


def read_binary(path: Path) -> Binary:
    try:
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            header = read_header(file)
            if header is None:
                return _read_elf(file)
            return Binary(format=header.format, machine=header.machine, bits=header.bits, little=True, static=False,
                          glibc=())  # fmt: skip
    except OSError as error:
        raise UnreadableError(error.strerror or "it can't be read") from error


def _read_elf(file: BinaryIO) -> Binary:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(meter(file))
        versions = [name for _, name in list_versions(elf)]
        segments = list(elf.iter_segments())
        needed = [tag for tag in list_tags(segments) if tag.entry.d_tag == "DT_NEEDED"]
        return Binary(
            format="ELF",
            machine=str(elf["e_machine"]),
            bits=elf.elfclass,
            little=elf.little_endian,
            static=not needed and not any(s["p_type"] == "PT_INTERP" for s in segments),
            glibc=max((_parse(m[1]) for name in versions if (m := _GLIBC.match(name))), default=()),
            arm=_find_arm_architecture(elf),
        )
    except ELFError as error:
        raise UnreadableError(f"not an ELF file: {error}") from error
    except (UnreadableError, OSError):
        raise
    except Exception as error:
        raise make_damage_error(error) from error


def make_damage_error(error: Exception) -> UnreadableError:
    return UnreadableError(f"the file is damaged: {error}" if str(error) else "the file is damaged")


def read_section(elf: ELFFile, name: str) -> bytes:
    """Return the start of a section; nothing if there is none, or if it is compressed, which no such section is."""
    section = elf.get_section_by_name(name)
    if section is None or section.compressed or section["sh_type"] == "SHT_NOBITS":
        return b""
    elf.stream.seek(section["sh_offset"])
    return bytes(elf.stream.read(min(section["sh_size"], _MOST_OF_SECTION)))


def list_versions(elf: ELFFile) -> Iterator[tuple[int, str]]:
    """Yield the index and name of each version of a library that it needs."""
    from elftools.elf.gnuversions import GNUVerNeedSection

    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, needed in section.iter_versions():
                for version in needed:
                    yield version["vna_other"], version.name


def list_tags(segments: Iterable[Any]) -> Iterator[Any]:
    """Yield the tags of its dynamic segments."""
    from elftools.elf.dynamic import DynamicSegment

    for segment in segments:
        if isinstance(segment, DynamicSegment):
            yield from segment.iter_tags()


def _find_arm_architecture(elf: ELFFile) -> int | None:
    """Return Tag_CPU_arch. Only the file's first attributes are read, because pyelftools loops if lengths are wrong."""
    from elftools.elf.sections import ARMAttributesSection

    for section in elf.iter_sections():
        if isinstance(section, ARMAttributesSection):
            for subsection in islice(section.iter_subsections(), 1):
                for scope in islice(subsection.iter_subsubsections(), 1):
                    for attribute in islice(scope.iter_attributes(), _MOST_ATTRIBUTES):
                        if attribute.tag == "TAG_CPU_ARCH":
                            return int(attribute.value)
    return None


def find_fault(binary: Binary, triple: str, *, static: bool) -> str | None:
    """Return why a binary is not for the target, or None if it is."""
    wanted = _find_format(triple) or "ELF"
    if binary.format != wanted:
        return f"it is a file of format {binary.format}, not {wanted}"
    known = _find_machine(triple)
    if known and (binary.machine, binary.bits, binary.little) != known:
        return f"it is for another machine: {binary.architecture}"
    newest = _NEWEST_ARM.get(triple.partition("-")[0])
    if newest is not None and binary.arm is not None and binary.arm > newest:
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
