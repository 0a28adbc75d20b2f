"""Which runner an image has: the one that the recipe names, or the default for its target and host platform."""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.recipe.target import Target
from imagefab.toolchains.runners import linux, uefi, wasm, wine
from imagefab.toolchains.runners.runner import NONE, MakeRunner, Runner

_MAKERS: dict[str, MakeRunner] = {
    "native": linux.make_native,
    "qemu-user": linux.make_qemu_user,
    "qemu-system": uefi.make_machine,
    "wine": wine.make_wine,
    "wasmedge": wasm.make_wasmedge,
    "node": wasm.make_node,
}
RUNNER_NAMES = (*_MAKERS, "none")
_SYSTEMS: dict[str, tuple[str, ...]] = {
    "linux": ("qemu-user",),
    "windows": ("wine",),
    "none": ("qemu-system",),
    "uefi": ("qemu-system",),
    "wasi": ("wasmedge",),
    "emscripten": ("node",),
}
"""The runners for a system's programs, the default first. Linux programs run natively on the target's own platform."""


def list_runners(target: Target) -> tuple[str, ...]:
    """Return the runners that a recipe for the target may name."""
    return ("auto", *_list_makers(target), "none")


def _list_makers(target: Target) -> tuple[str, ...]:
    # Debian's Wine for amd64 runs no programs for arm64.
    is_foreign_windows = target.os == "windows" and target.stem == "aarch64"
    # QEMU has no x32, and to run programs it needs the C library that they load.
    is_foreign_linux = target.os == "linux" and not (target.qemu and (target.debian_arch or target.is_musl))
    # Some machines of QEMU's end without an exit code, whatever the program says.
    is_foreign_machine = target.os == "none" and not target.qemu
    if is_foreign_windows or is_foreign_linux or is_foreign_machine:
        return ()
    return _SYSTEMS.get(target.os, ())


def make_runner(recipe: Recipe, platform: HostPlatform) -> Runner:
    name = _choose(recipe, platform)
    return _MAKERS[name](recipe, platform) if name in _MAKERS else NONE


def _choose(recipe: Recipe, platform: HostPlatform) -> str:
    if recipe.runner != "auto":
        return recipe.runner
    if linux.is_native(recipe.target, platform):
        return "native"
    return next(iter(_list_makers(recipe.target)), "none")
