"""Probes of a toolchain for programs that run under a system with a C library, like Linux."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product, Row, skipped
from imagefab.check.probes.cpu import make_cpu_probe
from imagefab.check.probes.debug import make_debug_probe
from imagefab.check.probes.headers import has_other_alignment, make_bindgen_probe, make_header_probes
from imagefab.check.probes.text import place, run, words
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject


def make_hosted_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if subject.is_for_zigbuild:
        yield _zigbuild()
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello\n" + run(subject, "hello", "c says 42"),
        products=(Product(path="hello"),),
    )
    if not lacks_static(subject):
        yield Probe(
            name="c-static",
            what="C links statically and runs",
            script=place("hello.c") + f"{cc} -O2 -static hello.c -o hello\n" + run(subject, "hello", "c says 42"),
            products=(Product(path="hello", static=True),),
        )
    runs = "" if lacks_loader(subject) else run(subject, "main", "library says 42")
    yield Probe(
        name="shared",
        what=f"a shared library, and a program that {'finds it' if runs else 'is linked to it'}",
        script=place("part.c", "library.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -shared -fPIC part.c -o libpart.so\n"
        + f'{cc} -O2 main.c -o main -L. -lpart -Wl,-rpath,"$PWD"\n'
        + runs,
        products=(Product(path="libpart.so"), Product(path="main")),
    )
    if cxx:
        option = "-static " if "musl" in subject.triple else ""
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams" + (", statically" if option else ""),
            script=place("hello.cc")
            + f"{cxx} -O2 {option}-pthread hello.cc -o hello\n"
            + run(subject, "hello", "c++ says 42"),
            products=(Product(path="hello", static=bool(option)),),
        )
    yield from make_cpu_probe(subject, cc)
    hello = place("hello.c") + f"{cc} -g -O0 -static hello.c -o hello\n"
    yield from make_debug_probe(subject, hello, "hello", "c says 42")
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx))
    if compares_sizes(subject):
        yield make_bindgen_probe(subject, "header.h", pointer_bits(subject.triple) or 0)
        yield from make_header_probes(subject)


def compares_sizes(subject: Subject) -> bool:
    return bool(subject.find("CC")) and pointer_bits(subject.triple) is not None


def lacks_static(subject: Subject) -> bool:
    """Return whether the C library can't be linked statically. With Zig, only musl can."""
    return subject.has_zig and subject.os != "windows" and "musl" not in subject.triple


def lacks_loader(subject: Subject) -> bool:
    """Return whether nothing starts dynamic programs here: Zig has musl to link with, and Debian has no such musl."""
    target = subject.target
    return subject.has_zig and target is not None and target.is_musl and not target.debian_release_arch


def list_hosted_skips(subject: Subject) -> list[Row]:
    rows = []
    if lacks_static(subject) and not subject.is_for_zigbuild:
        rows.append(skipped("c-static", "Zig links this C library dynamically only"))
    if has_other_alignment(subject.triple):
        rows.append(skipped("sizes", "libclang aligns 64-bit numbers to 4 bytes, and GCC to 2"))
    return rows


def _zigbuild() -> Probe:
    return Probe(
        name="zig",
        what="zig compiles, and cargo-zigbuild answers",
        script="export ZIG_GLOBAL_CACHE_DIR=$PWD/cache ZIG_LOCAL_CACHE_DIR=$PWD/cache\n"
        + place("part.c", "library.c")
        + "zig cc -c part.c -o part.o\n"
        + "cargo-zigbuild --version\n",
    )


def make_cmake_probe(
    subject: Subject, *, cxx: bool, suffix: str = "", product: str = "", cxx_program: str = "hello.cc"
) -> Probe:
    """Return the probe of CMake.

    `suffix` is that of the target's programs. `product` is the file for the target, if it is not the one that runs.
    """
    main, said = ("hello.cc", "c++ says 42") if cxx else ("hello.c", "c says 42")
    lists = place(
        "CMakeLists.txt",
        languages="C CXX" if cxx else "C",
        main=main,
        can_run="TRUE" if subject.find_cargo("RUNNER") else "FALSE",
    )
    return Probe(
        name="cmake",
        what="CMake builds a small project with the toolchain file, and runs what it tries",
        script=lists
        + place("hello.c")
        + place("hello.cc", cxx_program)
        + place("part.c", "library.c")
        + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
        + "cmake --build build\n"
        + run(subject, f"build/probe{suffix}", said),
        products=(Product(path=product or f"build/probe{suffix}"),),
    )
