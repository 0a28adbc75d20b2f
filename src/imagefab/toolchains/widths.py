"""How wide time and file offsets are on 32-bit Linux: what the image says so that C, libclang and Rust agree.

- With the GNU C library, Debian trixie's GCC takes 64 bits for both, and so do all its libraries; i386 stays as it was.
  clang has to be told, as compiler and as bindgen's parser. Rust's libc crate takes 32 bits unless it is told.
- musl has had 64 bits for both since 1.2, whatever the compiler. The libc crate is at musl 1.1 unless it is told.
- Older suites, and the GNU C library as Zig has it, have 32 bits, as the libc crate and clang take it.

Older versions of the libc crate read one variable, newer ones another.
"""

from __future__ import annotations

from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.suite import find_suite

GNU_VARIABLES = ("RUST_LIBC_UNSTABLE_GNU_TIME_BITS", "CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS")
MUSL_VARIABLES = ("RUST_LIBC_UNSTABLE_MUSL_V1_2_3", "CARGO_CFG_LIBC_UNSTABLE_MUSL_V1_2")

_NARROW = ("i386",)
"""Debian architectures with 32 bits that stay with what their old programs have."""
_KINDS = ("gcc", "llvm")
"""Those that link against the archive's GNU C library."""


def list_width_defines(recipe: Recipe) -> tuple[str, ...]:
    """What clang must be told, where Debian's GCC knows it by itself."""
    return ("-D_TIME_BITS=64", "-D_FILE_OFFSET_BITS=64") if _is_widened(recipe) else ()


def list_width_variables(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """What the build script of Rust's libc crate asks for."""
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
    return target.os == "linux" and target.bits == 32
