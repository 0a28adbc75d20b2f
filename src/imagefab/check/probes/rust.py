"""Rust in the image: the toolchain comes from outside, as cross brings it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import kernels, programs
from imagefab.check.probe import Probe, Product
from imagefab.check.probes.bare import boot, build
from imagefab.check.probes.text import run, words, write
from imagefab.check.subject import Subject

RUST = "/rust"
"""Where cross 0.2.5 mounts the Rust toolchain."""
_CARGO = """\
CARGO_HOME=$PWD/cargo CARGO_TARGET_DIR=$PWD/target PATH="$PATH":/rust/bin
export CARGO_HOME CARGO_TARGET_DIR PATH
"""

_FILES = {
    "windows": ("probe.exe",),
    "wasi": ("probe.wasm",),
    "unknown": ("probe.wasm",),
    "emscripten": ("probe.js", "probe.wasm"),
}
"""What rustc calls a program, by system: first what runs, last what is for the target."""


def make_rust_probes(subject: Subject) -> Iterator[Probe]:
    target = shlex.quote(subject.triple)
    if subject.os == "none":
        yield _make_bare_probe(subject, target)
        return
    files = _FILES.get(subject.os, ("probe",))
    yield Probe(
        name="rust",
        what="a crate with a build script and a C dependency, offline, the toolchain mounted as cross does it",
        script="mkdir src\n"
        + write("Cargo.toml", programs.CARGO_TOML)
        + write("build.rs", programs.BUILD_RS)
        + write("part.c", programs.LIBRARY_C)
        + write("src/main.rs", programs.MAIN_RS)
        + _CARGO
        + f"cargo build --offline --target {target}\n"
        + "".join(f"cp target/{target}/debug/{name} .\n" for name in files)
        + (f"cargo test --offline --target {target}\n" if subject.find_cargo("RUNNER") else "")
        + run(subject, files[0], "rust says 42"),
        products=(Product(path=files[-1]),),
    )


def _make_bare_probe(subject: Subject, target: str) -> Probe:
    """Objects of both languages must fit together; who links programs is up to the crate."""
    start = kernels.find_start(subject.triple.partition("-")[0])
    library = f"target/{target}/debug/libprobe.a"
    runner = words(subject.find_cargo("RUNNER"))
    linked = write("main.c", kernels.MAIN_OF_RUST_C) + build(words(subject.find("CC")), start, "main.c", library)
    return Probe(
        name="rust",
        what="a crate without std, with a build script and a C dependency, offline, in a program that boots",
        script="mkdir src\n"
        + write("Cargo.toml", kernels.CARGO_TOML)
        + write("build.rs", programs.BUILD_RS)
        + write("part.c", programs.LIBRARY_C)
        + write("src/lib.rs", kernels.LIB_RS)
        + _CARGO
        + f"cargo build --offline --target {target}\n"
        + (linked + boot(runner, "rust says 42", "kernel") if runner else ""),
        products=(Product(path="kernel", static=True),) if runner else (),
    )
