"""What a runner contributes to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.toolchains.blueprint import LayerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    name: str
    """Its name in the image's label and in CROSS_RUNNER."""
    command: tuple[str, ...] = ()
    """The command that runs one of the target's programs; empty if there is none. It works under `env -i`."""
    layers: tuple[LayerSpec, ...] = ()
    """The same for every image with this runner and target, whatever the toolchain, so images share them."""
    env: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    """The values that CROSS_RUNNER accepts."""
    needs_sysroot: bool = False
    """Whether it looks for the target's libraries in QEMU_LD_PREFIX."""


MakeRunner = Callable[[Recipe, HostPlatform], Runner]

NONE = Runner(name="none")
