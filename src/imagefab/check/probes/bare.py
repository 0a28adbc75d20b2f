"""Probes of a toolchain for programs without an operating system: objects, and programs that boot under the runner."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product
from imagefab.check.probes.debug import make_debug_probe
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.text import place, words
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.start import Start, find_start
from imagefab.check.subject import Subject

_PATIENCE = 3
"""Seconds after which a hanging program is stopped."""


def make_bare_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if not cc:
        return
    start = find_start(subject.triple.partition("-")[0])
    yield Probe(
        name="c",
        what="C compiles to objects for the target, and ar makes a library of them",
        script=place("part.c", "library.c")
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
        header = "header-libc.h" if start.has_libc else "header-freestanding.h"
        yield make_bindgen_probe(subject, header, bits)


def _make_boot_probes(subject: Subject, runner: str, cc: str, cxx: str, start: Start) -> Iterator[Probe]:
    program = place("main.c", "bare-main.c") + place("part.c", "library.c")
    program += build(cc, start, "main.c", "part.c")
    yield Probe(
        name="boot",
        what="a program boots under the runner, prints a line and exits",
        script=program + boot(runner, "c says 42", "kernel"),
        products=(Product(path="kernel", static=True),),
    )
    yield Probe(
        name="exit-code",
        what="exit codes pass through, and QEMU_TIMEOUT ends a program that hangs",
        script=place("main.c", "bare-exit.c")
        + place("hang.c", "bare-hang.c")
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
            script=place("main.cc", "bare-main.cc")
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
        what="a hard disk and a CD made in the image boot by BIOS and print a line on the serial port",
        script=place("sector.S", "boot-sector.S")
        + read_program("boot-bios.sh")
        + boot(runner, "bios says 42", "disk.img", "disc.iso"),
    )
    yield Probe(
        name="boot-uefi",
        what="an application compiled in the image boots by UEFI, alone and from a disk, and prints a line",
        script=place("application.c", "uefi.c")
        + read_program("boot-uefi.sh")
        + boot(f"env CROSS_RUNNER=qemu-system-uefi {runner}", "uefi says 42", "disk.img", "application.efi"),
    )


def boot(runner: str, said: str, *files: str) -> str:
    """Return a script that boots files and looks for a line in the output.

    Lines on a serial port end with a carriage return, and firmware prints lines and escape sequences of its own.
    """
    return "".join(
        f"{prefix}{runner} \"$PWD/{name}\" >said\ntr -d '\\r' <said | grep -ax {shlex.quote(said)}\n"
        for name in files
        for prefix in ("", "env -i ")
    )


def build(cc: str, start: Start, *sources: str) -> str:
    """Return a script that builds `kernel`, a program that boots."""
    listed = shlex.join([*sources, *(name for name, _ in start.sources), *start.options])
    return "".join(place(*source) for source in start.sources) + f"{cc} -O2 -g {listed} -o kernel\n"


def compile_start(cc: str, start: Start) -> str:
    return "".join(place(*source) + f"{cc} -O2 -c {source[0]} -o {source[0]}.o\n" for source in start.sources)


def _list_objects(start: Start) -> str:
    return " ".join(f"{name}.o" for name, _ in start.sources)


def _make_cmake_probe(subject: Subject, runner: str, start: Start, *, cxx: bool) -> Probe:
    main = "main.cc" if cxx else "main.c"
    lists = place(
        "CMakeLists.txt",
        "bare-CMakeLists.txt",
        languages="C CXX ASM" if cxx else "C ASM",
        sources=" ".join([main, *(name for name, _ in start.sources)]),
        options=" ".join(start.options),
    )
    return Probe(
        name="cmake",
        what="CMake builds a library and a program with the toolchain file, and the program boots",
        script=lists
        + place(main, f"bare-{main}")
        + place("part.c", "library.c")
        + "".join(place(*source) for source in start.sources)
        + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
        + "cmake --build build\n"
        + (boot(runner, "c++ says 42" if cxx else "c says 42", "build/probe") if runner else ""),
        products=(Product(path="build/probe", static=True),),
    )
