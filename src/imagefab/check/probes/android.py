"""Probes of a toolchain for Android, whose programs can't run here: its output is inspected instead.

An image may come without Google's NDK, for its users to mount parts of theirs. Probes that need the NDK are then
skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.check.probe import Probe, Product, Row, skipped
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import place, words, write
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject

NO_NDK = "/opt/android/NDK/sysroot"
"""CROSS_SYSROOT if the image has no NDK."""
_NEEDS_NDK = ("c", "c++", "shared", "cmake", "bindgen")


def list_android_skips(subject: Subject) -> list[Row]:
    if has_ndk(subject):
        return []
    return [
        skipped(name, "Google's NDK is not in the image; --bind puts two parts of yours there") for name in _NEEDS_NDK
    ]


def has_ndk(subject: Subject) -> bool:
    return subject.env.get("CROSS_SYSROOT") != NO_NDK or NO_NDK in subject.bound


def make_android_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if not cc:
        return
    ar, prefix = words(subject.find("AR")), words(subject.env.get("CROSS_TOOLCHAIN_PREFIX", ""))
    yield Probe(
        name="tools",
        what="makes and changes objects, archives and libraries for an API level of Android",
        script=write("part.c", read_program("android-level.h") + read_program("library.c"))
        + f"{cc} -fPIC -c part.c -o part.o\n"
        + read_program("android-tools.sh", cc=cc, ar=ar, prefix=prefix),
        products=(Product(path="part.o"), Product(path="libpart.so")),
    )
    if has_ndk(subject):
        yield from _with_ndk(subject, cc, cxx)


def _with_ndk(subject: Subject, cc: str, cxx: str) -> Iterator[Probe]:
    yield Probe(
        name="c",
        what="C compiles and links",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello\n",
        products=(Product(path="hello"),),
    )
    yield Probe(
        name="shared",
        what="a shared library, and a program that finds it",
        script=place("part.c", "library.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -shared -fPIC part.c -o libpart.so\n"
        + f"{cc} -O2 main.c -o main -L. -lpart -Wl,-rpath,'$ORIGIN'\n",
        products=(Product(path="libpart.so"), Product(path="main")),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams",
            script=place("hello.cc") + f"{cxx} -O2 -std=c++17 hello.cc -o hello\n",
            products=(Product(path="hello"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx))
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)
