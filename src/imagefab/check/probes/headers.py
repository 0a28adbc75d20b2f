"""Probes of the target's headers, as the C compiler, libclang and Rust's libc crate each see them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from imagefab.check.libc_crate import VENDOR, LibcCrate
from imagefab.check.probe import Probe
from imagefab.check.probes.text import place, split
from imagefab.check.product import pointer_bits
from imagefab.check.programs import read_program
from imagefab.check.session import RUST
from imagefab.check.subject import Subject
from imagefab.toolchains.widths import GNU_VARIABLES, MUSL_VARIABLES, TIME_VARIABLE, UCLIBC_VARIABLES

_RISCV = re.compile(r"(riscv(?:32|64))[a-z]+\Z")

_HAS_WIDE_TIME = re.compile(r"riscv32|hexagon|.*-gnux32\Z")
"""32-bit targets that are younger than time in 64 bits."""

RUST_LIBC = "rust-libc"
_ARCHIVE = "libc.crate"


def make_bindgen_probe(subject: Subject, header: str, bits: int) -> Probe:
    return Probe(
        name="bindgen",
        what="libclang parses the target's headers with the arguments that bindgen is given",
        script=_prepare_parser() + place("header.h", header, bits=bits) + _parse(subject, "header.h"),
    )


def make_header_probes(subject: Subject) -> Iterator[Probe]:
    """Yield probes for systems with POSIX headers."""
    if not has_other_alignment(subject.triple):
        yield _make_sizes_probe(subject)
    if subject.os == "linux":
        yield Probe(
            name="kernel-headers",
            what="the C compiler and libclang find the kernel's headers",
            script=_prepare_parser()
            + place("kernel.h")
            + f"cp kernel.h kernel.c\n{_compile(subject)} kernel.c -o kernel.o\n"
            + _parse(subject, "kernel.h"),
        )


def has_other_alignment(triple: str) -> bool:
    """Return whether libclang lays out structures otherwise than the C compiler, and no argument changes that."""
    return triple.startswith("m68k-")


def _make_sizes_probe(subject: Subject) -> Probe:
    size = find_time_size(subject)
    return Probe(
        name="sizes",
        what="time, file offsets and struct stat are as large for libclang as for the C compiler"
        + (", and time for Rust, by the image's variables" if size else ""),
        script=_prepare_parser()
        + _measure_c(subject)
        + f"{_parse(subject, 'sizes.h').strip()} >libclang\n"
        + "compare libclang libclang compiler\n"
        + (_compare_with_rule(size) if size else ""),
    )


def make_rust_libc_probe(subject: Subject, libc: LibcCrate) -> Probe:
    """Return the probe that compares all that `sizes` does, in the crate itself."""
    vendor = f"{RUST}/{VENDOR}" if libc.archive is None else ""
    return Probe(
        name=RUST_LIBC,
        what=f"time, file offsets and struct stat are as large in the libc crate {libc.version} as for the C compiler",
        files=() if libc.archive is None else ((_ARCHIVE, libc.archive),),
        script=place("Cargo.toml", "sizes-Cargo.toml", version=libc.version)
        + "mkdir src\n"
        + place("src/lib.rs", "sizes.rs")
        + _measure_c(subject)
        + read_program("cargo.sh")
        + read_program("sizes-of-rust.sh", triple=shlex.quote(subject.triple), vendor=vendor, archive=_ARCHIVE),
    )


def _prepare_parser() -> str:
    return place("parse.c") + read_program("parse.sh")


def _measure_c(subject: Subject) -> str:
    return (
        place("sizes.h")
        + read_program("sizes.sh")
        + f"cp sizes.h sizes.c\n{_compile(subject)} sizes.c -o sizes.o\nread_rows sizes.o >compiler\ntest -s compiler\n"
    )


def _compare_with_rule(size: int) -> str:
    return (
        "grep '^time_t ' compiler >time-of-compiler\n"
        f'echo "time_t {size}" >rust\ncompare "Rust\'s libc crate" rust time-of-compiler\n'
    )


def _compile(subject: Subject) -> str:
    """Return the command as the cc crate makes it up: it adds the flags of all variables, the most specific last."""
    split_flags = split if subject.env.get("CC_SHELL_ESCAPED_FLAGS", "0") not in ("", "0", "false") else str.split
    names = ("CFLAGS", "TARGET_CFLAGS", f"CFLAGS_{subject.underscored}", f"CFLAGS_{subject.triple}")
    flags = [flag for name in dict.fromkeys(names) for flag in split_flags(subject.env.get(name, ""))]
    return shlex.join([*subject.find("CC").split(), *flags, "-c"])


def _parse(subject: Subject, header: str) -> str:
    stem, _, rest = subject.triple.partition("-")
    arguments = [
        f"--target={_name_for_clang(stem)}-{rest}",
        *split(
            subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.triple}")
            or subject.env.get(f"BINDGEN_EXTRA_CLANG_ARGS_{subject.underscored}")
            or subject.env.get("BINDGEN_EXTRA_CLANG_ARGS", "")
        ),
    ]
    return f'./parse "$library" {header} {shlex.join(arguments)}\n'


def _name_for_clang(stem: str) -> str:
    """Return the architecture as bindgen says it: clang has one name for all of RISC-V's extensions."""
    return _RISCV.sub(r"\1", stem)


def find_time_size(subject: Subject) -> int | None:
    """Return time_t's size in Rust's libc crate, by the variables of its build script.

    None means that it depends on none of them, or on rustc's flags as well.
    """
    if subject.os != "linux" or pointer_bits(subject.triple) != 32 or _HAS_WIDE_TIME.match(subject.triple):
        return None
    if any("libc_unstable" in value for name, value in subject.env.items() if name.endswith("RUSTFLAGS")):
        return None
    environment = subject.triple.rsplit("-", 1)[-1]
    if environment.startswith("musl"):
        is_wide = any(subject.env.get(name, "0") != "0" for name in MUSL_VARIABLES)
    elif environment.startswith("uclibc"):
        is_wide = any(subject.env.get(name, "0") != "0" for name in UCLIBC_VARIABLES)
    else:
        # The newer variable counts, if both are set.
        is_wide = next((subject.env[name] for name in reversed(GNU_VARIABLES) if name in subject.env), "") == "64"
    return 8 if is_wide or subject.env.get(TIME_VARIABLE, "0") != "0" else 4
