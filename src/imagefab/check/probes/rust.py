"""Probes of Rust in the image, with a toolchain mounted from outside, as cross does it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.libc_crate import LibcCrate
from imagefab.check.probe import Probe, Product
from imagefab.check.probes.bare import boot, build
from imagefab.check.probes.headers import make_rust_libc_probe
from imagefab.check.probes.text import place, run, words
from imagefab.check.programs import read_program
from imagefab.check.start import find_start
from imagefab.check.subject import Subject

_FILES = {
    "windows": ("probe.exe",),
    "wasi": ("probe.wasm",),
    "wasip2": ("probe.wasm",),
    "unknown": ("probe.wasm",),
    "emscripten": ("probe.js", "probe.wasm"),
}
"""The files of a program, by system: the first runs, the last is for the target."""


def make_rust_probes(subject: Subject, libc: LibcCrate | None) -> Iterator[Probe]:
    target = shlex.quote(subject.triple)
    if subject.os == "none":
        yield _make_bare_probe(subject, target)
        return
    files = _FILES.get(subject.os, ("probe",))
    cargo = _name_cargo(subject)
    if libc:
        yield make_rust_libc_probe(subject, libc)
    yield Probe(
        name="rust",
        what="a crate with a build script and a C dependency, offline, the toolchain mounted as cross does it",
        script="mkdir src\n"
        + place("Cargo.toml")
        + place("build.rs")
        + place("part.c", "library.c")
        + place("src/main.rs", "main.rs")
        + read_program("cargo.sh")
        + f"{cargo} build --offline --target {target}\n"
        + _release_with_zig(subject, target)
        + "".join(f"cp target/{target}/debug/{name} .\n" for name in files)
        + (f"{cargo} test --offline --target {target}\n" if subject.find_cargo("RUNNER") else "")
        + run(subject, files[0], "rust says 42"),
        products=(Product(path=files[-1]),),
    )


def _release_with_zig(subject: Subject, target: str) -> str:
    """Return a script that checks that Zig's libraries came with the image, for both profiles."""
    if not subject.has_zig:
        return ""
    build = f"{_name_cargo(subject)} build --offline --release --target {target}\n"
    return build + read_program("zig-nothing-compiled.sh")


def _name_cargo(subject: Subject) -> str:
    """Return the cargo command: cross calls cargo-zigbuild in images that have no other compiler."""
    return "cargo-zigbuild" if subject.is_for_zigbuild else "cargo"


def _make_bare_probe(subject: Subject, target: str) -> Probe:
    """Return the probe for bare metal: objects of both languages must be compatible; linking is up to the crate."""
    start = find_start(subject.triple.partition("-")[0])
    library = f"target/{target}/debug/libprobe.a"
    runner = words(subject.find_cargo("RUNNER"))
    linked = place("main.c", "bare-main-of-rust.c") + build(words(subject.find("CC")), start, "main.c", library)
    return Probe(
        name="rust",
        what="a crate without std, with a build script and a C dependency, offline, in a program that boots",
        script="mkdir src\n"
        + place("Cargo.toml", "bare-Cargo.toml")
        + place("build.rs")
        + place("part.c", "library.c")
        + place("src/lib.rs", "bare-lib.rs")
        + read_program("cargo.sh")
        + f"cargo build --offline --target {target}\n"
        + (linked + boot(runner, "rust says 42", "kernel") if runner else ""),
        products=(Product(path="kernel", static=True),) if runner else (),
    )
