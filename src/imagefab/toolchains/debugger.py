"""The debugger, if a recipe asks for one: for the target's programs, under the runner or natively.

Runners wait for it at CROSS_GDB. QEMU's user mode has a variable of its own, QEMU_GDB, but if the whole image runs
under an emulator, that emulator would read it.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.linux import is_native

VARIABLE = "CROSS_DEBUGGER"
"""The variable that names the debugger."""


def name_debugger(recipe: Recipe, platform: HostPlatform) -> str | None:
    if not recipe.debug:
        return None
    return "gdb" if is_native(recipe.target, platform) else "gdb-multiarch"


def make_debugger_layer(recipe: Recipe, platform: HostPlatform) -> LayerSpec:
    """Return the layer with the debugger, which is empty if the recipe asks for none."""
    name = name_debugger(recipe, platform)
    return LayerSpec(name="debugger", comment="GDB for the target's programs", packages=(name,) if name else ())
