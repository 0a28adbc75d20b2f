"""Probes of a toolchain for WebAssembly.

With a system, WASI or Emscripten, it makes programs; without one, modules that export functions.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe, Product
from imagefab.check.probes.headers import make_bindgen_probe
from imagefab.check.probes.hosted import make_cmake_probe
from imagefab.check.probes.text import place, run, words
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject

_EXPORTED = "-Wl,--no-entry -Wl,--export=probe_answer"


def make_wasi_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello.wasm\n" + run(subject, "hello.wasm", "c says 42"),
        products=(Product(path="hello.wasm"),),
    )
    if runner := words(subject.find_cargo("RUNNER")):
        yield Probe(
            name="files",
            what="a program reads files in its folder by relative and absolute path, and its exit code passes through",
            script=place("files.c")
            + f"{cc} -O2 files.c -o files.wasm\n"
            + "echo 42 >number\n"
            + "code=0\n"
            + f'{runner} "$PWD/files.wasm" number "$PWD/number" >said || code=$?\n'
            + "cat said\n"
            + "grep -x 'file says 42' said\n"
            + 'test "$code" = 7\n',
        )
    yield Probe(
        name="archive",
        what="a static library, and a program linked to it",
        script=place("part.c", "library.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{ar} rcs libpart.a part.o\n"
        + f"{cc} -O2 main.c -o main.wasm -L. -lpart\n"
        + run(subject, "main.wasm", "library says 42"),
        products=(Product(path="main.wasm"),),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with containers and streams, without exceptions and threads",
            script=place("hello.cc", "hello-wasm.cc")
            + f"{cxx} -O2 hello.cc -o hello.wasm\n"
            + run(subject, "hello.wasm", "c++ says 42"),
            products=(Product(path="hello.wasm"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), cxx_program="hello-wasm.cc")
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)


def make_component_probes(subject: Subject) -> Iterator[Probe]:
    """Yield probes for wasip2, whose programs rustc links: C and C++ compile to objects and archives."""
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles to objects for rustc to link",
        script=place("hello.c") + f"{cc} -O2 -c hello.c -o hello.o\n",
        products=(Product(path="hello.o"),),
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
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with the headers of containers and streams, without exceptions and threads",
            script=place("hello.cc", "hello-wasm.cc") + f"{cxx} -O2 -c hello.cc -o hello.o\n",
            products=(Product(path="hello.o"),),
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)


def make_module_probes(subject: Subject) -> Iterator[Probe]:
    """Yield probes for custom hosts, about which nothing is known: there is no C library, and nothing runs."""
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles and links to a module that exports a function",
        script=place("part.c", "library.c") + f"{cc} -O2 part.c -o part.wasm {_EXPORTED}\n",
        products=(Product(path="part.wasm"),),
    )
    yield Probe(
        name="archive",
        what="a static library, and a module that uses a function of it",
        script=place("part.c", "library.c")
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{ar} rcs libpart.a part.o\n"
        + f"{cc} -o part.wasm {_EXPORTED} -L. -lpart\n",
        products=(Product(path="part.wasm"),),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ without its library",
            script=place("module.cc") + f"{cxx} -O2 module.cc -o module.wasm {_EXPORTED}\n",
            products=(Product(path="module.wasm"),),
        )
    if cxx and subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield Probe(
            name="cmake",
            what="CMake builds a small project with the toolchain file",
            script=place("CMakeLists.txt", "CMakeLists-module.txt")
            + place("part.c", "module-part.c")
            + place("module.cc")
            + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
            + "cmake --build build\n",
            products=(Product(path="build/probe"),),
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header-module.h", bits)


def make_emscripten_probes(subject: Subject) -> Iterator[Probe]:
    """Yield probes for Emscripten, where a program is two files: the module, and the script that Node runs."""
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=place("hello.c") + f"{cc} -O2 hello.c -o hello.js\n" + run(subject, "hello.js", "c says 42"),
        products=(Product(path="hello.wasm"),),
    )
    yield Probe(
        name="archive",
        what="a static library, and a program linked to it",
        script=place("part.c", "library.c")
        + place("main.c", "library-user.c")
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{ar} rcs libpart.a part.o\n"
        + f"{cc} -O2 main.c -o main.js -L. -lpart\n"
        + run(subject, "main.js", "library says 42"),
        products=(Product(path="main.wasm"),),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ with exceptions, threads and streams",
            script=place("hello.cc")
            + f"{cxx} -O2 -fexceptions -pthread -sPTHREAD_POOL_SIZE=4 -sEXIT_RUNTIME hello.cc -o hello.js\n"
            + run(subject, "hello.js", "c++ says 42"),
            products=(Product(path="hello.wasm"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(
            subject, cxx=bool(cxx), suffix=".js", product="build/probe.wasm", cxx_program="hello-wasm.cc"
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, "header.h", bits)
