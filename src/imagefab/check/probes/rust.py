"""Rust in the image: the toolchain comes from outside, as cross brings it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import programs
from imagefab.check.probe import Probe, Product
from imagefab.check.probes.text import run, write
from imagefab.check.subject import Subject

RUST = "/rust"
"""Where cross 0.2.5 mounts the Rust toolchain."""

_FILES = {
    "windows": ("probe.exe",),
    "wasi": ("probe.wasm",),
    "unknown": ("probe.wasm",),
    "emscripten": ("probe.js", "probe.wasm"),
}
"""What rustc calls a program, by system: first what runs, last what is for the target."""


def make_rust_probes(subject: Subject) -> Iterator[Probe]:
    target = shlex.quote(subject.triple)
    files = _FILES.get(subject.os, ("probe",))
    yield Probe(
        name="rust",
        what="a crate with a build script and a C dependency, offline, the toolchain mounted as cross does it",
        script="mkdir src\n"
        + write("Cargo.toml", programs.CARGO_TOML)
        + write("build.rs", programs.BUILD_RS)
        + write("part.c", programs.LIBRARY_C)
        + write("src/main.rs", programs.MAIN_RS)
        + 'CARGO_HOME=$PWD/cargo CARGO_TARGET_DIR=$PWD/target PATH="$PATH":/rust/bin\n'
        + "export CARGO_HOME CARGO_TARGET_DIR PATH\n"
        + f"cargo build --offline --target {target}\n"
        + "".join(f"cp target/{target}/debug/{name} .\n" for name in files)
        + (f"cargo test --offline --target {target}\n" if subject.find_cargo("RUNNER") else "")
        + run(subject, files[0], "rust says 42"),
        products=(Product(path=files[-1]),),
    )
