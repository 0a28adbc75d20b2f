"""What a kind contributes to an image, for the design to assemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.recipe.rules import KindRules
from imagefab.toolchains.blueprint import LayerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A toolchain's layers, the most shared first, and the programs and variables for using it."""

    layers: tuple[LayerSpec, ...]
    linker: str | None
    """None if rustc's own linker is to be used."""
    cc: str
    cxx: str | None
    ar: str
    prefix: str
    """What precedes `gcc` and `ar` in program names."""
    sysroot: str
    pkg_config: str
    """The folder in which pkg-config finds the target's packages."""
    bindgen: tuple[str, ...] = ()
    """The arguments that clang needs to parse the target's headers."""
    cmake_root: str | None = None
    """The only folder in which CMake looks for the target's files; None for the usual folders."""
    cmake: tuple[tuple[str, str], ...] = ()
    """More variables for CMake and their values."""
    env: tuple[tuple[str, str], ...] = ()
    preset: bool = True
    """Whether the image sets compiler and linker for cargo and the crates; if not, its users do."""
    labels: tuple[tuple[str, str], ...] = ()
    private: tuple[str, ...] = ()
    """The names of its sources that must not be redistributed, wherever they come from."""
    has_own_libc: bool = False
    """Whether it brings the C library that programs link against; the archive's is at most used to run them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    rules: KindRules
    make: Callable[[Recipe, HostPlatform], Toolchain]
