"""The debugger, where a recipe asks for one: for the target's programs, under the runner or on the machine itself.

Runners wait for it where CROSS_GDB says. QEMU's user mode has a variable of its own, QEMU_GDB; where the whole image
runs under an emulator, that emulator would take it.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.linux import is_native

VARIABLE = "CROSS_DEBUGGER"
"""Which program it is."""


def name_debugger(recipe: Recipe, platform: HostPlatform) -> str | None:
    if not recipe.debug:
        return None
    return "gdb" if is_native(recipe.target, platform) else "gdb-multiarch"


def make_debugger_layer(recipe: Recipe, platform: HostPlatform) -> LayerSpec:
    """Empty where none is asked for."""
    name = name_debugger(recipe, platform)
    return LayerSpec(name="debugger", comment="GDB for the target's programs", packages=(name,) if name else ())
