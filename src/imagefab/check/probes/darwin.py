"""Probes of a toolchain for macOS, whose programs can't run here: its output is inspected instead.

An image may come without Apple's SDK, for its users to mount theirs. Probes that need the SDK are then skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.check.probe import Probe, Product, Row, skipped
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import place, words
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject

NO_SDK = "/opt/osxcross/SDK"
"""SDKROOT if the image has no SDK."""
_NEEDS_SDK = ("c", "c++", "shared", "framework", "cmake", "bindgen")


def has_sdk(subject: Subject) -> bool:
    return subject.env.get("SDKROOT") != NO_SDK or NO_SDK in subject.bound


def list_darwin_skips(subject: Subject) -> list[Row]:
    if has_sdk(subject):
        return []
    return [skipped(name, f"Apple's SDK is not in the image; --bind SDK:{NO_SDK} puts it there") for name in _NEEDS_SDK]


def make_darwin_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if not cc:
        return
    ar = words(subject.find("AR"))
    part = place("part.c", "library.c")
    yield Probe(
        name="tools",
        what="makes and changes objects, archives and libraries by Apple's names",
        script=part
        + f"{cc} -c part.c -o part.o\n"
        + read_program("darwin-tools.sh", cc=cc, ar=ar, ranlib=f"{ar[:-2]}ranlib"),
        products=(Product(path="part.o"), Product(path="libpart.dylib")),
    )
    yield Probe(
        name="oldest-macos",
        what="MACOSX_DEPLOYMENT_TARGET and -mmacosx-version-min choose the macOS version",
        script=part + read_program("darwin-oldest.sh", cc=cc),
    )
    if has_sdk(subject):
        yield from _with_sdk(subject, cc, cxx)


def _with_sdk(subject: Subject, cc: str, cxx: str) -> Iterator[Probe]:
    yield Probe(
        name="c",
        what="C compiles and links",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello\n",
        products=(Product(path="hello"),),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams",
            script=place("hello.cc") + f"{cxx} -O2 -std=c++17 hello.cc -o hello\n",
            products=(Product(path="hello"),),
        )
    yield Probe(
        name="shared",
        what="a shared library, and a program that finds it",
        script=place("part.c", "library.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -dynamiclib part.c -o libpart.dylib -install_name @rpath/libpart.dylib\n"
        + f"{cc} -O2 main.c -o main -L. -lpart -Wl,-rpath,@loader_path\n",
        products=(Product(path="libpart.dylib"), Product(path="main")),
    )
    yield Probe(
        name="framework",
        what="a program with a framework",
        script=place("main.c", "framework.c") + f"{cc} main.c -o main -framework CoreFoundation\n",
        products=(Product(path="main"),),
    )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx))
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)
