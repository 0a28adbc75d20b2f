"""Probes of a toolchain for BPF: objects for the kernel to load. Nothing links them, and nothing loads them here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.text import place, words
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject


def make_bpf_probes(subject: Subject) -> Iterator[Probe]:
    cc, ar = words(subject.find("CC")), words(subject.find("AR"))
    prefix = shlex.quote(subject.env.get("CROSS_TOOLCHAIN_PREFIX", ""))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles with libbpf's headers to an object with types for the kernel",
        script=place("filter.c", "bpf-filter.c")
        + f"{cc} -O2 -c filter.c -o filter.o\n"
        + f"{prefix}objdump -d filter.o | grep -w exit\n"
        + f"{prefix}readelf -S filter.o | grep -wF .BTF\n",
        products=(Product(path="filter.o"),),
    )
    yield Probe(
        name="archive",
        what="a static library for rustc to link",
        script=place("part.c", "library.c")
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{ar} rcs libpart.a part.o\n"
        + f"{ar} t libpart.a | grep -x part.o\n",
        products=(Product(path="part.o"),),
    )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield Probe(
            name="cmake",
            what="CMake builds objects with the toolchain file",
            script=place("CMakeLists.txt", "bpf-CMakeLists.txt")
            + place("part.c", "bpf-filter.c")
            + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
            + "cmake --build build\n"
            + f"cd build && {ar} x libpart.a && mv part.c* ../part.o\n",
            products=(Product(path="part.o"),),
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header-bpf.h", bits)
