"""What a kind of toolchain and a runner give to an image: the parts that the design puts together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.recipe.rules import KindRules
from imagefab.toolchains.blueprint import LayerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The layers that carry it, the most shared first, and the programs and variables by which it is used."""

    layers: tuple[LayerSpec, ...]
    linker: str | None
    """None where rustc's own linker is the one to use."""
    cc: str
    cxx: str | None
    ar: str
    prefix: str
    """What goes before `gcc` and `ar` in the names of its programs."""
    sysroot: str
    pkg_config: str
    """The folder in which pkg-config finds the target's packages."""
    bindgen: tuple[str, ...] = ()
    """What clang must be told to parse the target's headers."""
    cmake_root: str | None = None
    """The only folder in which CMake is to find the target's files; None where the usual folders have them."""
    cmake: tuple[tuple[str, str], ...] = ()
    """What else CMake is told: variables and their values."""
    env: tuple[tuple[str, str], ...] = ()
    preset: bool = True
    """Whether cargo and the crates are told of compiler and linker; else whoever builds says it."""
    labels: tuple[tuple[str, str], ...] = ()
    private: tuple[str, ...] = ()
    """The names of sources in it that may not be passed on, wherever they come from."""
    has_own_libc: bool = False
    """It carries the C library that programs are linked against; the archive's is there to run them at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    rules: KindRules
    make: Callable[[Recipe, HostPlatform], Toolchain]
