"""Probes of a toolchain for Windows by Microsoft's conventions: clang-cl's options, libraries and resources.

An image may come without Microsoft's SDK, for its users to mount theirs. Probes that need the SDK are then skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagefab.check.probe import Probe, Product, Row, skipped
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import place, run, words
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject

NO_SDK = "/opt/msvc/SDK"
"""CROSS_SYSROOT if the image has no SDK."""
_NEEDS_SDK = ("c", "c-static", "shared", "c++", "cmake", "bindgen")

_MACHINES = {"x86_64": "x64", "i686": "x86", "aarch64": "arm64"}


def list_msvc_skips(subject: Subject) -> list[Row]:
    if has_sdk(subject):
        return []
    return [
        skipped(name, f"Microsoft's SDK is not in the image; --bind SDK:{NO_SDK} puts it there") for name in _NEEDS_SDK
    ]


def has_sdk(subject: Subject) -> bool:
    return subject.env.get("CROSS_SYSROOT") != NO_SDK or NO_SDK in subject.bound


def make_msvc_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx = words(subject.find("CC")), words(subject.find("CXX"))
    if not cc:
        return
    said = {
        "cc": cc,
        "ar": words(subject.find("AR")),
        "linker": words(subject.find_cargo("LINKER")),
        "prefix": words(subject.env.get("CROSS_TOOLCHAIN_PREFIX", "")),
        "machine": _MACHINES.get(subject.triple.partition("-")[0], ""),
    }
    yield Probe(
        name="tools",
        what="makes objects, libraries and DLLs with import libraries by Microsoft's options",
        script=place("part.c", "library-dll.c") + read_program("msvc-tools.sh", **said),
        products=(Product(path="part.dll"),),
    )
    yield Probe(
        name="resources",
        what="resources are compiled and linked",
        script=place("version.rc") + read_program("msvc-resources.sh", **said),
        products=(Product(path="version.dll"),),
    )
    if has_sdk(subject):
        yield from _with_sdk(subject, cc, cxx)


def _with_sdk(subject: Subject, cc: str, cxx: str) -> Iterator[Probe]:
    for name, option, how in (("c", "/MD", "with Microsoft's DLLs"), ("c-static", "/MT", "statically")):
        yield Probe(
            name=name,
            what=f"C compiles, links {how} and runs",
            script=place("hello.c")
            + f"{cc} /nologo /O2 {option} hello.c /Fehello.exe\n"
            + run(subject, "hello.exe", "c says 42"),
            products=(Product(path="hello.exe"),),
        )
    yield Probe(
        name="shared",
        what="a DLL with its import library, and a program that finds it",
        script=place("part.c", "library-dll.c")
        + place("main.c", "library-user.c")
        + f"{cc} /nologo /O2 /MD /LD part.c /Fepart.dll /link /implib:part.lib\n"
        + f"{cc} /nologo /O2 /MD main.c part.lib /Femain.exe\n"
        + run(subject, "main.exe", "library says 42"),
        products=(Product(path="part.dll"), Product(path="main.exe")),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams",
            script=place("hello.cc")
            + f"{cxx} /nologo /O2 /MD /EHsc /std:c++17 hello.cc /Fehello.exe\n"
            + run(subject, "hello.exe", "c++ says 42"),
            products=(Product(path="hello.exe"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), suffix=".exe")
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header-msvc.h", bits)
