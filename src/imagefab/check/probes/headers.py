"""The target's headers, as the C compiler, libclang and Rust's libc crate each see them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check import programs
from imagefab.check.probe import Probe
from imagefab.check.probes.text import write
from imagefab.check.product import pointer_bits
from imagefab.check.subject import Subject
from imagefab.toolchains.widths import GNU_VARIABLES, MUSL_VARIABLES

_CLANG_ARCHITECTURES = {"riscv64gc": "riscv64", "riscv32imac": "riscv32", "armv7": "armv7", "i686": "i686"}
_PARSE = """
library=
for found in "${LIBCLANG_PATH:-/nowhere}"/libclang*.so* /usr/lib/llvm-*/lib/libclang.so* /usr/lib/*/libclang*.so*; do
    if [ -z "$library" ] && [ -e "$found" ]; then library=$found; fi
done
[ -n "$library" ] || { echo "there is no libclang"; exit 1; }
cc -w parse.c -o parse -ldl
"""

_READ = """
read_rows() {
    tr '\\0' ' ' <"$1" | grep -a -o 'size-of *[a-z_]* *[0-9][0-9][0-9]' | awk '{ print $2, $3 + 0 }'
}
compare() {
    awk -v who="$1" 'NR == FNR { size[$1] = $2; next } $1 in size && $2 != size[$1] {
        print $1 " has " size[$1] " bytes for the C compiler and " $2 " for " who
        bad = 1
    } END { exit bad }' compiler "$2"
}
"""
_RUST = """
vendor=/rust/lib/rustlib/src/rust/library/vendor
if {is_known}; then
    mkdir -p src .cargo
    mv lib.rs src
    printf '[source.crates-io]\\nreplace-with = "std"\\n[source.std]\\ndirectory = "%s"\\n' "$vendor" \\
        >.cargo/config.toml
    CARGO_HOME=$PWD/cargo CARGO_TARGET_DIR=$PWD/target PATH=$PATH:/rust/bin \\
        cargo build --offline --quiet --target {triple} 1>&2
    read_rows target/{triple}/debug/libsizes.rlib >rust
    compare "Rust's libc crate" rust
    exit 0
fi
"""

_KNOWS_TIME = 'grep -qsi "musl32_*time64" "$vendor"/libc-*/build.rs "$vendor"/libc/build.rs'
"""Older versions of the crate do not ask for the variables, and toolchains have them for std alone."""

_KERNEL_H = """\
#include <asm/types.h>
#include <linux/if_packet.h>
#include <linux/input.h>
#include <linux/usbdevice_fs.h>
#include <mtd/mtd-user.h>
#include <sound/asound.h>
"""


def make_bindgen_probe(subject: Subject, header: str) -> Probe:
    return Probe(
        name="bindgen",
        what="libclang parses the target's headers with the arguments that bindgen is given",
        script=_prepare_parser() + write("header.h", header) + _parse(subject, "header.h"),
    )


def make_header_probes(subject: Subject, cc: str) -> Iterator[Probe]:
    """For systems with POSIX's headers."""
    yield Probe(
        name="sizes",
        what="time, file offsets and struct stat are as large for libclang and Rust as for the C compiler",
        script=_prepare_parser()
        + write("sizes.h", programs.SIZES_H)
        + f"cp sizes.h sizes.c\n{cc} -c sizes.c -o sizes.o\n"
        + _READ
        + f"read_rows sizes.o >compiler\ntest -s compiler\n{_parse(subject, 'sizes.h').strip()} >libclang\n"
        + "compare libclang libclang\n"
        + _compare_rust(subject),
    )
    if subject.os == "linux":
        yield Probe(
            name="kernel-headers",
            what="the kernel's headers are there for the C compiler and for libclang",
            script=_prepare_parser()
            + write("kernel.h", _KERNEL_H)
            + f"cp kernel.h kernel.c\n{cc} -c kernel.c -o kernel.o\n"
            + _parse(subject, "kernel.h"),
        )


def _prepare_parser() -> str:
    return write("parse.c", programs.PARSE_C) + _PARSE


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
    """With the crate itself where the toolchain has its source, as rustup's rust-src has; else by its rule for time."""
    size = find_time_size(subject)
    is_known = '[ -d "$vendor" ]' if size is None else _KNOWS_TIME
    measure = (
        write("Cargo.toml", programs.SIZES_TOML)
        + write("lib.rs", programs.SIZES_RS)
        + _RUST.format(triple=shlex.quote(subject.triple), is_known=is_known)
    )
    return measure + (f'echo "time_t {size}" >rust\ncompare "Rust\'s libc crate" rust\n' if size else "")


def find_time_size(subject: Subject) -> int | None:
    """How large Rust's libc crate takes time_t for, by the variables that its build script reads; None where that does
    not depend on them."""
    if subject.os != "linux" or pointer_bits(subject.triple) != 32 or subject.triple.startswith("riscv32"):
        return None
    names, wide = (MUSL_VARIABLES, "1") if "musl" in subject.triple else (GNU_VARIABLES, "64")
    return 8 if wide in (subject.env.get(name) for name in names) else 4
