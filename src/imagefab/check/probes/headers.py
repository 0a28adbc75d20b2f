"""Probes of the target's headers, as the C compiler, libclang and Rust's libc crate each see them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import place
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.subject import Subject
from imagefab.toolchains.widths import GNU_VARIABLES, MUSL_VARIABLES

_CLANG_ARCHITECTURES = {"riscv64gc": "riscv64", "riscv32imac": "riscv32", "armv7": "armv7", "i686": "i686"}

_KNOWS_TIME = 'grep -qsi "musl32_*time64" "$vendor"/libc-*/build.rs "$vendor"/libc/build.rs'
"""Older versions of the crate do not read the variables, and toolchains contain them only for std."""


def make_bindgen_probe(subject: Subject, header: str, bits: int) -> Probe:
    return Probe(
        name="bindgen",
        what="libclang parses the target's headers with the arguments that bindgen is given",
        script=_prepare_parser() + place("header.h", header, bits=bits) + _parse(subject, "header.h"),
    )


def make_header_probes(subject: Subject, cc: str) -> Iterator[Probe]:
    """Yield probes for systems with POSIX headers."""
    yield Probe(
        name="sizes",
        what="time, file offsets and struct stat are as large for libclang and Rust as for the C compiler",
        script=_prepare_parser()
        + place("sizes.h")
        + f"cp sizes.h sizes.c\n{cc} -c sizes.c -o sizes.o\n"
        + read_program("sizes.sh")
        + f"read_rows sizes.o >compiler\ntest -s compiler\n{_parse(subject, 'sizes.h').strip()} >libclang\n"
        + "compare libclang libclang\n"
        + _compare_rust(subject),
    )
    if subject.os == "linux":
        yield Probe(
            name="kernel-headers",
            what="the C compiler and libclang find the kernel's headers",
            script=_prepare_parser()
            + place("kernel.h")
            + f"cp kernel.h kernel.c\n{cc} -c kernel.c -o kernel.o\n"
            + _parse(subject, "kernel.h"),
        )


def _prepare_parser() -> str:
    return place("parse.c") + read_program("parse.sh")


def _parse(subject: Subject, header: str) -> str:
    stem, _, rest = subject.triple.partition("-")
    arguments = [
        f"--target={_CLANG_ARCHITECTURES.get(stem, stem)}-{rest}",
        *shlex.split(
            subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.triple}")
            or subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.underscored}")
            or subject.env.get("BINDGEN_EXTRA_CLANG_ARGS", "")
        ),
    ]
    return f'./parse "$library" {header} {shlex.join(arguments)}\n'


def _compare_rust(subject: Subject) -> str:
    """Compare with the crate if the toolchain has its source (rustup's rust-src), else with its rule for time."""
    size = find_time_size(subject)
    is_known = '[ -d "$vendor" ]' if size is None else _KNOWS_TIME
    measure = (
        place("Cargo.toml", "sizes-Cargo.toml")
        + place("lib.rs", "sizes.rs")
        + read_program("sizes-of-rust.sh", triple=shlex.quote(subject.triple), is_known=is_known)
    )
    return measure + (f'echo "time_t {size}" >rust\ncompare "Rust\'s libc crate" rust\n' if size else "")


def find_time_size(subject: Subject) -> int | None:
    """Return time_t's size in Rust's libc crate, by the variables of its build script; None if it depends on none."""
    if subject.os != "linux" or pointer_bits(subject.triple) != 32 or subject.triple.startswith("riscv32"):
        return None
    names, wide = (MUSL_VARIABLES, "1") if "musl" in subject.triple else (GNU_VARIABLES, "64")
    return 8 if wide in (subject.env.get(name) for name in names) else 4
