"""A toolchain for programs that run on no system: objects, and what boots under the runner."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import kernels, programs
from imagefab.check.kernels import Start, find_start
from imagefab.check.probe import Probe, Product
from imagefab.check.probes.debug import make_debug_probe
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.text import words, write
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject

_PATIENCE = 3
"""Seconds that a program which hangs is given."""

_BIOS = """\
clang --target=x86_64-unknown-none-elf -c sector.S -o sector.o
ld.lld --oformat=binary -Ttext=0x7c00 sector.o -o sector
cp sector disk.img
truncate -s 1M disk.img
mkdir -p disc
cp sector disc/sector
truncate -s 2048 disc/sector
xorriso -as mkisofs -quiet -o disc.iso -b sector -no-emul-boot -boot-load-size 4 disc
"""
_UEFI = """\
clang --target=x86_64-unknown-windows -ffreestanding -fshort-wchar -mno-red-zone -O2 -c application.c -o application.o
lld-link -subsystem:efi_application -entry:efi_main -out:application.efi application.o
mformat -C -i disk.img -T 65536 -h 64 -s 32 ::
mmd -i disk.img ::/EFI ::/EFI/BOOT
mcopy -i disk.img application.efi ::/EFI/BOOT/BOOTX64.EFI
"""


def make_bare_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if not cc:
        return
    start = find_start(subject.triple.partition("-")[0])
    yield Probe(
        name="c",
        what="C compiles to objects for the target, and ar makes a library of them",
        script=write("part.c", programs.LIBRARY_C)
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{words(subject.find('AR')) or 'ar'} rcs libpart.a part.o\n",
        products=(Product(path="part.o"),),
    )
    runner = words(subject.find_cargo("RUNNER"))
    if runner:
        yield from _make_boot_probes(subject, runner, cc, cxx, start)
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield _make_cmake_probe(subject, runner, start, cxx=bool(cxx))
    if bits := pointer_bits(subject.triple):
        header = kernels.LIBC_HEADER if start.has_libc else kernels.FREESTANDING_HEADER
        yield make_bindgen_probe(subject, header.format(bits=bits))


def _make_boot_probes(subject: Subject, runner: str, cc: str, cxx: str, start: Start) -> Iterator[Probe]:
    program = write("main.c", kernels.MAIN_C) + write("part.c", programs.LIBRARY_C)
    program += build(cc, start, "main.c", "part.c")
    yield Probe(
        name="boot",
        what="a program boots under the runner, says a line and ends",
        script=program + boot(runner, "c says 42", "kernel"),
        products=(Product(path="kernel", static=True),),
    )
    yield Probe(
        name="exit-code",
        what="a program's exit code passes through, and one that hangs is ended when told so",
        script=write("main.c", kernels.EXIT_C)
        + write("hang.c", kernels.HANG_C)
        + build(cc, start, "main.c")
        + f'code=0\n{runner} "$PWD/kernel" || code=$?\n'
        + '[ "$code" = 7 ] || { echo "exit code 7 becomes $code"; exit 1; }\n'
        + build(cc, start, "hang.c")
        + f'code=0\nQEMU_TIMEOUT={_PATIENCE} {runner} "$PWD/kernel" || code=$?\n'
        + '[ "$code" = 124 ] || { echo "what hangs ends with $code, not with 124"; exit 1; }\n',
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ without its library boots: classes, virtual functions, templates",
            script=write("main.cc", kernels.MAIN_CXX)
            + compile_start(cc, start)
            + f"{cxx} -O2 main.cc {_list_objects(start)} {shlex.join(start.options)} -o kernel\n"
            + boot(runner, "c++ says 42", "kernel"),
            products=(Product(path="kernel", static=True),),
        )
    yield from make_debug_probe(subject, program, "kernel", "c says 42")
    if subject.triple.startswith("x86_64-"):
        yield from _make_disk_probes(runner)


def _make_disk_probes(runner: str) -> Iterator[Probe]:
    yield Probe(
        name="boot-bios",
        what="a disk and a disc made in the image boot by BIOS, to a line on the serial port",
        script=write("sector.S", kernels.BOOT_SECTOR) + _BIOS + boot(runner, "bios says 42", "disk.img", "disc.iso"),
    )
    yield Probe(
        name="boot-uefi",
        what="an application compiled in the image boots by UEFI, alone and on a disk, to a line on the serial port",
        script=write("application.c", kernels.UEFI_C)
        + _UEFI
        + boot(f"env CROSS_RUNNER=qemu-system-uefi {runner}", "uefi says 42", "disk.img", "application.efi"),
    )


def boot(runner: str, said: str, *files: str) -> str:
    """A serial port's lines end as on a terminal; firmware says things too, with escape sequences."""
    return "".join(
        f"{prefix}{runner} \"$PWD/{name}\" >said\ntr -d '\\r' <said | grep -ax {shlex.quote(said)}\n"
        for name in files
        for prefix in ("", "env -i ")
    )


def build(cc: str, start: Start, *sources: str) -> str:
    """Script that makes `kernel`, a program that boots."""
    listed = shlex.join([*sources, *(name for name, _ in start.sources), *start.options])
    return "".join(write(name, content) for name, content in start.sources) + f"{cc} -O2 -g {listed} -o kernel\n"


def compile_start(cc: str, start: Start) -> str:
    return "".join(write(name, content) + f"{cc} -O2 -c {name} -o {name}.o\n" for name, content in start.sources)


def _list_objects(start: Start) -> str:
    return " ".join(f"{name}.o" for name, _ in start.sources)


def _make_cmake_probe(subject: Subject, runner: str, start: Start, *, cxx: bool) -> Probe:
    main, content = ("main.cc", kernels.MAIN_CXX) if cxx else ("main.c", kernels.MAIN_C)
    lists = kernels.CMAKE_LISTS.format(
        languages="C CXX ASM" if cxx else "C ASM",
        sources=" ".join([main, *(name for name, _ in start.sources)]),
        options=" ".join(start.options),
    )
    return Probe(
        name="cmake",
        what="CMake builds a library and a program with the toolchain file, and the program boots",
        script=write("CMakeLists.txt", lists)
        + write(main, content)
        + write("part.c", programs.LIBRARY_C)
        + "".join(write(name, text) for name, text in start.sources)
        + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
        + "cmake --build build\n"
        + (boot(runner, "c++ says 42" if cxx else "c says 42", "build/probe") if runner else ""),
        products=(Product(path="build/probe", static=True),),
    )
