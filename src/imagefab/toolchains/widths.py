"""The width of time and file offsets on 32-bit Linux: settings that make C, libclang and Rust agree.

- With the GNU C library, Debian trixie's GCC and all its libraries use 64 bits for both; i386 and MIPS release 6 are
  unchanged. clang has to be told, both as compiler and as bindgen's parser. Rust's libc crate uses 32 bits unless told
  otherwise.
- musl has used 64 bits for both since 1.2, whatever the compiler. The libc crate assumes musl 1.1 unless told
  otherwise.
- Older suites, and the GNU C library in Zig, use 32 bits, as the libc crate and clang assume.

Older versions of the libc crate read one variable, newer ones another.
"""

from __future__ import annotations

from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.suite import find_suite

GNU_VARIABLES = ("RUST_LIBC_UNSTABLE_GNU_TIME_BITS", "CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS")
MUSL_VARIABLES = ("RUST_LIBC_UNSTABLE_MUSL_V1_2_3", "CARGO_CFG_LIBC_UNSTABLE_MUSL_V1_2")
UCLIBC_VARIABLES = ("CARGO_CFG_LIBC_UNSTABLE_UCLIBC_TIME64",)
TIME_VARIABLE = "CARGO_CFG_LIBC_UNSTABLE_TIME64"
"""For all C libraries; known to the newest versions of the crate."""

_NARROW = ("i386", "mipsr6", "mipsr6el")
"""32-bit Debian architectures that keep the old widths: for compatibility, or as nobody has moved them."""
_KINDS = ("gcc", "llvm")
"""Kinds that link against the archive's GNU C library."""


def list_width_defines(recipe: Recipe) -> tuple[str, ...]:
    """Return the defines that clang needs and that Debian's GCC has built in."""
    return ("-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64") if _is_widened(recipe) else ()


def list_width_variables(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """Return the variables that the build script of Rust's libc crate reads."""
    if _is_widened(recipe):
        return tuple((name, "64") for name in GNU_VARIABLES)
    if _is_32_bit_linux(recipe.target) and recipe.target.is_musl:
        return tuple((name, "1") for name in MUSL_VARIABLES)
    return ()


def _is_widened(recipe: Recipe) -> bool:
    target = recipe.target
    return (
        _is_32_bit_linux(target)
        and not target.is_musl
        and recipe.kind in _KINDS
        and find_suite(recipe).has_wide_time
        and target.debian_arch not in _NARROW
    )


def _is_32_bit_linux(target: Target) -> bool:
    # The x32 ABI has had 64 bits from the start, for everyone.
    return target.os == "linux" and target.bits == 32 and not target.is_x32
