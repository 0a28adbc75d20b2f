"""Probes of a toolchain for Windows programs: those for other systems, plus DLLs, import libraries and resources."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import place, run, words
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject


def make_windows_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    prefix = shlex.quote(subject.env.get("CROSS_TOOLCHAIN_PREFIX", ""))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello.exe\n" + run(subject, "hello.exe", "c says 42"),
        products=(Product(path="hello.exe"),),
    )
    yield Probe(
        name="shared",
        what="a DLL with its import library, and a program that finds it",
        script=place("part.c", "library-dll.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -shared part.c -o part.dll -Wl,--out-implib,libpart.dll.a\n"
        + f"{cc} -O2 main.c -o main.exe -L. -lpart\n"
        + run(subject, "main.exe", "library says 42"),
        products=(Product(path="part.dll"), Product(path="main.exe")),
    )
    yield Probe(
        name="resources",
        what="windres compiles resources and dlltool makes import libraries",
        script=place("hello.c")
        + place("version.rc")
        + place("part.def")
        + f"{prefix}windres version.rc version.o\n"
        + f"{cc} -O2 hello.c version.o -o hello.exe\n"
        + "grep -aqF .rsrc hello.exe\n"
        + f"{prefix}dlltool -d part.def -l libpart.dll.a\n"
        + "grep -aqF probe_answer libpart.dll.a\n"
        + run(subject, "hello.exe", "c says 42"),
        products=(Product(path="hello.exe"),),
    )
    if cxx:
        ways = (("c++", "", ""), ("c++-static", "-static ", ", statically"))
        # Zig links its C++ library statically in any case.
        for name, option, how in ways[:1] if subject.has_zig else ways:
            yield Probe(
                name=name,
                what=f"C++ with exceptions, threads and streams{how}",
                script=place("hello.cc")
                + f"{cxx} -O2 {option}-pthread hello.cc -o hello.exe\n"
                + (read_program("windows-alone.sh", objdump=f"{prefix}objdump", program="hello.exe") if option else "")
                + run(subject, "hello.exe", "c++ says 42"),
                products=(Product(path="hello.exe"),),
            )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), suffix=".exe")
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)
