"""What a compiled program needs where it runs: libraries and their versions, a loader, a processor, a system.

Files may be a stranger's: whatever is wrong with one is reported as an UnreadableError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from imagefab.check.headers import WASM, UnreadableError
from imagefab.check.metered import meter
from imagefab.check.needs_other import read_other
from imagefab.check.product import list_tags, list_versions, make_damage_error, read_binary, read_section

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

GLIBC, LIBSTDCXX, CXXABI, LIBGCC = "GLIBC", "GLIBCXX", "CXXABI", "GCC"
_VERSION = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)\Z")
_SPECIAL = {"GLIBC_ABI_DT_RELR": (2, 36)}
_X86_NEEDED = 0xC0008002
_X86_LEVELS = {1: "x86-64", 2: "x86-64-v2", 4: "x86-64-v3", 8: "x86-64-v4"}
_RISCV = re.compile(rb"rv(32|64)[a-z0-9_]{2,200}")
_MOST_SYMBOLS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The oldest version of a library that will do, and the symbols for which it must be that."""

    version: tuple[int, ...]
    symbols: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    format: str
    machine: str
    bits: int
    kind: str = "program"
    """program, library or object."""
    static: bool = False
    """Whether it needs neither a loader nor a library."""
    interpreter: str | None = None
    """The loader's path."""
    libraries: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    """Where it has libraries looked up (RUNPATH)."""
    floors: Mapping[str, Floor] = field(default_factory=dict)
    """By a library's prefix of versions, like GLIBC."""
    unversioned: bool = False
    """Whether it needs glibc, and doesn't say which: floors are unknown."""
    cpu: str | None = None
    """The processor that it says it needs, if it does."""
    system: str | None = None
    """The oldest system, for Windows and macOS: `Windows 6.0`."""

    @property
    def glibc(self) -> Floor | None:
        return self.floors.get(GLIBC)


def read_needs(path: Path) -> Needs:
    binary = read_binary(path)
    try:
        with path.open("rb") as file:
            if binary.format == "ELF":
                return _read_elf(file, binary.architecture if binary.arm is not None else None)
            found = read_other(file, binary.format)
    except OSError as error:
        raise UnreadableError(error.strerror or "it can't be read") from error
    return Needs(
        format=binary.format,
        machine=binary.machine,
        bits=binary.bits,
        kind=found.kind,
        static=binary.format != WASM and not found.libraries,
        libraries=found.libraries,
        system=found.system,
    )


def _read_elf(file: BinaryIO, arm: str | None) -> Needs:
    from elftools.elf.elffile import ELFFile

    try:
        return _describe(ELFFile(meter(file)), arm)
    except (UnreadableError, OSError):
        raise
    except Exception as error:
        raise make_damage_error(error) from error


def _describe(elf: ELFFile, arm: str | None) -> Needs:
    from elftools.elf.segments import InterpSegment

    segments = list(elf.iter_segments())
    interpreter = next((one.get_interp_name() for one in segments if isinstance(one, InterpSegment)), None)
    tags = list(list_tags(segments))
    libraries = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
    search = tuple(
        getattr(tag, attribute)
        for tag in tags
        for name, attribute in (("DT_RUNPATH", "runpath"), ("DT_RPATH", "rpath"))
        if tag.entry.d_tag == name
    )
    is_pie = any(tag.entry.d_tag == "DT_FLAGS_1" and tag.entry.d_val & 0x08000000 for tag in tags)
    kinds = {"ET_REL": "object", "ET_DYN": "program" if interpreter or is_pie else "library"}
    kind = kinds.get(elf["e_type"], "program")
    floors = _find_floors(elf)
    return Needs(
        format="ELF",
        machine=str(elf["e_machine"]).removeprefix("EM_").lower(),
        bits=elf.elfclass,
        kind=kind,
        static=kind == "program" and interpreter is None and not libraries,
        interpreter=interpreter,
        libraries=libraries,
        search=search,
        floors=floors,
        unversioned=GLIBC not in floors and any(map(_is_glibc, libraries)),
        cpu=arm or _find_cpu(elf),
    )


def _is_glibc(library: str) -> bool:
    return re.match(r"libc\.so\.\d", library) is not None


# -- versions ----------------------------------------------------------------------------------------------------------


def _find_floors(elf: ELFFile) -> dict[str, Floor]:
    """The newest version of each library that it needs, with the symbols that need it."""
    newest: dict[str, tuple[tuple[int, ...], set[int]]] = {}
    for index, name in list_versions(elf):
        parsed = _parse(name)
        if parsed is None:
            continue
        prefix, version = parsed
        before = newest.get(prefix, ((), set()))
        if version > before[0]:
            newest[prefix] = (version, {index})
        elif version == before[0]:
            before[1].add(index)
    symbols = _list_symbols(elf)
    return {
        prefix: Floor(version=version, symbols=tuple(sorted({name for one, name in symbols if one in indexes})))
        for prefix, (version, indexes) in newest.items()
    }


def _parse(name: str) -> tuple[str, tuple[int, ...]] | None:
    if name in _SPECIAL:
        return GLIBC, _SPECIAL[name]
    found = _VERSION.match(name)
    return (found[1], tuple(int(part) for part in found[2].split("."))) if found else None


def _list_symbols(elf: ELFFile) -> list[tuple[int, str]]:
    """The index of its version, and the name, of each symbol that comes from elsewhere."""
    from elftools.elf.gnuversions import GNUVerSymSection
    from elftools.elf.sections import SymbolTableSection

    found = []
    for section in elf.iter_sections():
        if not isinstance(section, GNUVerSymSection):
            continue
        table = elf.get_section(section["sh_link"])
        if not isinstance(table, SymbolTableSection):
            continue
        for number in range(min(section.num_symbols(), table.num_symbols(), _MOST_SYMBOLS)):
            symbol = table.get_symbol(number)
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name:
                index = section.get_symbol(number)["ndx"]
                if isinstance(index, int):
                    found.append((index & 0x7FFF, symbol.name))
    return found


# -- processors --------------------------------------------------------------------------------------------------------


def _find_cpu(elf: ELFFile) -> str | None:
    if elf["e_machine"] == "EM_X86_64":
        return max((_X86_LEVELS[bit] for bit in _X86_LEVELS if _find_x86_bits(elf) & bit), default=None)
    if elf["e_machine"] == "EM_RISCV":
        found = _RISCV.search(read_section(elf, ".riscv.attributes"))
        return None if found is None else found[0].decode()
    return None


def _find_x86_bits(elf: ELFFile) -> int:
    """The levels that it says it needs, as bits in a note."""
    data = read_section(elf, ".note.gnu.property")
    place, bits = 16, 0
    while place + 8 <= len(data):
        kind, size = (int.from_bytes(data[place + start : place + start + 4], "little") for start in (0, 4))
        if kind == _X86_NEEDED and size == 4:
            bits |= int.from_bytes(data[place + 8 : place + 12], "little")
        place += 8 + (size + 7) // 8 * 8
    return bits
