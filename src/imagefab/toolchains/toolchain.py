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
    linker: str
    cc: str
    cxx: str | None
    ar: str
    prefix: str
    """What goes before `gcc` and `ar` in the names of its programs."""
    sysroot: str
    bindgen: tuple[str, ...] = ()
    """What clang must be told to parse the target's headers."""
    cmake_root: str | None = None
    """The only folder in which CMake is to find the target's files; None where the usual folders have them."""
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    rules: KindRules
    make: Callable[[Recipe, HostPlatform], Toolchain]


def is_native(recipe: Recipe, platform: HostPlatform) -> bool:
    """Whether the host platform runs the target's programs by itself."""
    return recipe.target.debian_arch == platform.debian_arch
