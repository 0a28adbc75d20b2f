"""Probes of a toolchain for UEFI: applications that the firmware starts, print a line by it, and end the machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product
from imagefab.check.probes.bare import boot
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.text import place, words
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject


def make_uefi_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    runner = words(subject.find_cargo("RUNNER"))
    if not cc:
        return
    sources = place("main.c", "uefi-main.c") + place("part.c", "library.c")
    library = f"{cc} -O2 -c part.c -o part.o\n{ar} rcs libpart.a part.o\n"
    yield Probe(
        name="c",
        what="C compiles and links with a library to an application"
        + (", which boots and prints a line" if runner else ""),
        script=sources
        + library
        + f"{cc} -O2 main.c libpart.a -o main.efi\n"
        + (boot(runner, "c says 42", "main.efi") if runner else ""),
        products=(Product(path="main.efi"),),
    )
    if runner:
        yield Probe(
            name="exit-code",
            what="exit codes pass through",
            script=sources
            + library
            + f"{cc} -O2 -DCODE=7 main.c libpart.a -o main.efi\n"
            + f'code=0\n{runner} "$PWD/main.efi" || code=$?\n'
            + '[ "$code" = 7 ] || { echo "exit code 7 becomes $code"; exit 1; }\n',
        )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ without its library: classes, virtual functions, templates",
            script=place("main.cc", "uefi-main.cc") + f"{cxx} -O2 main.cc -o main.efi\n",
            products=(Product(path="main.efi"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        lists = place(
            "CMakeLists.txt", "bare-CMakeLists.txt", languages="C CXX" if cxx else "C", sources="main.c", options=""
        )
        yield Probe(
            name="cmake",
            what="CMake builds a library and an application with the toolchain file",
            script=lists
            + sources
            + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
            + "cmake --build build\n",
            products=(Product(path="build/probe"),),
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header-freestanding.h", bits)
