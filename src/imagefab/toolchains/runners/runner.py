"""What a runner gives to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.toolchains.blueprint import LayerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    name: str
    """What the image's label says, and what CROSS_RUNNER may name."""
    command: tuple[str, ...] = ()
    """What goes before a program of the target's to run it; nothing where none can be run. It works under `env -i`."""
    layers: tuple[LayerSpec, ...] = ()
    """The same for every image with this runner and target, whatever the toolchain: images share them."""
    env: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    """What CROSS_RUNNER can be."""
    needs_sysroot: bool = False
    """It looks for the target's libraries where QEMU_LD_PREFIX says."""


MakeRunner = Callable[[Recipe, HostPlatform], Runner]

NONE = Runner(name="none")
