"""A toolchain for WebAssembly: with a system, WASI or Emscripten, it makes programs; without one, modules that export
functions."""

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

_HELLO_CXX = """\
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual int count() const = 0;
};

struct Square : Shape {
    int count() const override { return 4; }
};

int main()
{
    std::vector<std::string> words{"says", "c++"};
    std::reverse(words.begin(), words.end());
    std::unique_ptr<Shape> shape = std::make_unique<Square>();
    for (const auto &word : words)
        std::cout << word << ' ';
    std::cout << shape->count() * 10 + 2 << std::endl;
    return 0;
}
"""
_FILES_C = """\
#include <stdio.h>

int main(int count, char **words)
{
    int number = 0;
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(words[i], "r");
        if (!file || fscanf(file, "%d", &number) != 1) {
            printf("can't read %s\\n", words[i]);
            return 1;
        }
    }
    printf("file says %d\\n", number);
    return 7;
}
"""
_MODULE_CXX = """\
template <typename Number> static Number twice(Number number)
{
    return number + number;
}

extern "C" int probe_answer()
{
    return twice(21);
}
"""
_HEADER = """\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(sizeof(void *) * 8 == {bits}, "headers of another architecture");
"""
_CMAKE_LISTS = """\
cmake_minimum_required(VERSION 3.13)
project(probe LANGUAGES C CXX)

if(NOT CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "the toolchain file does not make this a cross build")
endif()
add_library(part STATIC part.c)
add_executable(probe module.cc)
target_link_libraries(probe part)
target_link_options(probe PRIVATE -Wl,--no-entry -Wl,--export=probe_answer -Wl,--export=part_answer)
"""
_EXPORTED = "-Wl,--no-entry -Wl,--export=probe_answer"


def make_wasi_probes(subject: Subject) -> Iterator[Probe]:
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=write("hello.c", programs.HELLO_C)
        + f"{cc} -O2 hello.c -o hello.wasm\n"
        + run(subject, "hello.wasm", "c says 42"),
        products=(Product(path="hello.wasm"),),
    )
    if runner := words(subject.find_cargo("RUNNER")):
        yield Probe(
            name="files",
            what="a program reads the files of its folder, by both their names, and its exit code gets through",
            script=write("files.c", _FILES_C)
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
        what="a static library, and a program that is linked to it",
        script=write("part.c", programs.LIBRARY_C)
        + write("main.c", programs.LIBRARY_USER_C)
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
            script=write("hello.cc", _HELLO_CXX)
            + f"{cxx} -O2 hello.cc -o hello.wasm\n"
            + run(subject, "hello.wasm", "c++ says 42"),
            products=(Product(path="hello.wasm"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), cxx_program=_HELLO_CXX)
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, programs.HEADER.format(bits=bits))


def make_module_probes(subject: Subject) -> Iterator[Probe]:
    """For a host of the user's own, of which nothing is known: no C library, and nothing that runs."""
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles and links to a module that exports a function",
        script=write("part.c", programs.LIBRARY_C) + f"{cc} -O2 part.c -o part.wasm {_EXPORTED}\n",
        products=(Product(path="part.wasm"),),
    )
    yield Probe(
        name="archive",
        what="a static library, and a module that takes a function out of it",
        script=write("part.c", programs.LIBRARY_C)
        + f"{cc} -O2 -c part.c -o part.o\n"
        + f"{ar} rcs libpart.a part.o\n"
        + f"{cc} -o part.wasm {_EXPORTED} -L. -lpart\n",
        products=(Product(path="part.wasm"),),
    )
    if cxx:
        yield Probe(
            name="c++",
            what="C++ without its library",
            script=write("module.cc", _MODULE_CXX) + f"{cxx} -O2 module.cc -o module.wasm {_EXPORTED}\n",
            products=(Product(path="module.wasm"),),
        )
    if cxx and subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield Probe(
            name="cmake",
            what="CMake builds a small project with the toolchain file",
            script=write("CMakeLists.txt", _CMAKE_LISTS)
            + write("part.c", "int part_answer(void)\n{\n    return 42;\n}\n")
            + write("module.cc", _MODULE_CXX)
            + f"cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE={shlex.quote(subject.find('CMAKE_TOOLCHAIN_FILE'))}\n"
            + "cmake --build build\n",
            products=(Product(path="build/probe"),),
        )
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, _HEADER.format(bits=bits))


def make_emscripten_probes(subject: Subject) -> Iterator[Probe]:
    """A program is two files: the module, and the script that Node runs."""
    cc, cxx, ar = (words(subject.find(stem)) for stem in ("CC", "CXX", "AR"))
    if not cc:
        return
    yield Probe(
        name="c",
        what="C compiles, links and runs",
        script=write("hello.c", programs.HELLO_C)
        + f"{cc} -O2 hello.c -o hello.js\n"
        + run(subject, "hello.js", "c says 42"),
        products=(Product(path="hello.wasm"),),
    )
    yield Probe(
        name="archive",
        what="a static library, and a program that is linked to it",
        script=write("part.c", programs.LIBRARY_C)
        + write("main.c", programs.LIBRARY_USER_C)
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
            script=write("hello.cc", programs.HELLO_CXX)
            + f"{cxx} -O2 -fexceptions -pthread -sPTHREAD_POOL_SIZE=4 -sEXIT_RUNTIME hello.cc -o hello.js\n"
            + run(subject, "hello.js", "c++ says 42"),
            products=(Product(path="hello.wasm"),),
        )
    if subject.find("CMAKE_TOOLCHAIN_FILE"):
        yield make_cmake_probe(subject, cxx=bool(cxx), suffix=".js", product="build/probe.wasm", cxx_program=_HELLO_CXX)
    bits = pointer_bits(subject.triple)
    if bits:
        yield make_bindgen_probe(subject, programs.HEADER.format(bits=bits))
