"""A toolchain for Windows programs: what other systems' toolchains do, and DLLs, import libraries and resources."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import programs
from imagefab.check.probe import Probe, Product
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import run, words, write
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject

_ALONE = """
if {objdump} -p {program} | grep -iE 'DLL Name: *lib'; then
    echo "{program} is not static: it needs a DLL of the compiler's"
    exit 1
fi
"""


def make_windows_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    prefix = shlex.quote(subject.env.get("CROSS_TOOLCHAIN_PREFIX", ""))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=write("hello.c", programs.HELLO_C)
        + f"{cc} -O2 hello.c -o hello.exe\n"
        + run(subject, "hello.exe", "c says 42"),
        products=(Product(path="hello.exe"),),
    )
    yield Probe(
        name="shared",
        what="a DLL with its import library, and a program that finds it",
        script=write("part.c", programs.LIBRARY_DLL_C)
        + write("main.c", programs.LIBRARY_USER_C)
        + f"{cc} -O2 -shared part.c -o part.dll -Wl,--out-implib,libpart.dll.a\n"
        + f"{cc} -O2 main.c -o main.exe -L. -lpart\n"
        + run(subject, "main.exe", "library says 42"),
        products=(Product(path="part.dll"), Product(path="main.exe")),
    )
    yield Probe(
        name="resources",
        what="windres compiles resources and dlltool makes import libraries",
        script=write("hello.c", programs.HELLO_C)
        + write("version.rc", programs.RESOURCE_RC)
        + write("part.def", "LIBRARY part.dll\nEXPORTS\nprobe_answer\n")
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
        # Zig has no DLLs to link.
        for name, option, how in ways[:1] if subject.has_zig else ways:
            yield Probe(
                name=name,
                what=f"C++ with exceptions, threads and streams{how}",
                script=write("hello.cc", programs.HELLO_CXX)
                + f"{cxx} -O2 {option}-pthread hello.cc -o hello.exe\n"
                + (_ALONE.format(objdump=f"{prefix}objdump", program="hello.exe") if option else "")
                + run(subject, "hello.exe", "c++ says 42"),
                products=(Product(path="hello.exe"),),
            )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), suffix=".exe")
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, programs.HEADER.format(bits=bits))
