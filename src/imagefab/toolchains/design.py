"""The design: a recipe for one host platform, assembled from its bases, runner, toolchain and own additions.

Layers run from the most shared to the least: the bases, the emulator (which every image for the target has, whatever
the toolchain), the toolchain, the recipe's additions. Layers that would be empty on a platform are left out there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from imagefab.platforms import HOST_PLATFORMS, HostPlatform
from imagefab.recipe.model import Additions, Archive, Base, OwnFileSpec, Recipe, name_base
from imagefab.recipe.rules import KindRules
from imagefab.recipe.weight import KEPT_BY_NATIVE, list_filters
from imagefab.toolchains import android, avr, baremetal, bpf, gcc, llvm, mingw, msvc, musl, osxcross, uefi, wasm, zig
from imagefab.toolchains.blueprint import Blueprint, LayerSpec
from imagefab.toolchains.debugger import make_debugger_layer
from imagefab.toolchains.environment import make_build_systems_layer, make_environment
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.runners.table import list_runners, make_runner
from imagefab.toolchains.toolchain import Kind, Toolchain

_ALL = (gcc.KIND, musl.KIND, llvm.KIND, zig.KIND, osxcross.KIND, baremetal.KIND, mingw.KIND,
        wasm.KIND, android.KIND, msvc.KIND, uefi.KIND, avr.KIND, bpf.KIND)  # fmt: skip
KINDS: dict[str, Kind] = {kind.rules.name: kind for kind in _ALL}
_ROOT, _OWN = "base", "extras"
PRIVATE = "dev.imagefab.private"
"""The label that lists the files in an image that must not be redistributed: the user's own, and some vendors'."""
_IMAGE = "image"
"""Not available as a layer's name, because the Dockerfile uses it for the finished image."""


def list_layer_names(recipe: Recipe) -> Iterator[str]:
    """Yield the names that only the root base may have."""
    yield from (_ROOT, _OWN, _IMAGE)
    for platform in (HOST_PLATFORMS[name] for name in recipe.platforms):
        toolchain, runner = KINDS[recipe.kind].make(recipe, platform), make_runner(recipe, platform)
        yield from (layer.name for layer in _tool_layers(recipe, platform, toolchain, runner))


def _tool_layers(recipe: Recipe, platform: HostPlatform, toolchain: Toolchain, runner: Runner) -> tuple[LayerSpec, ...]:
    return (
        *runner.layers,
        *toolchain.layers,
        make_debugger_layer(recipe, platform),
        make_build_systems_layer(recipe, toolchain, runner),
    )


RULES: dict[str, KindRules] = {
    name: replace(kind.rules, layer_names=list_layer_names, runners=list_runners) for name, kind in KINDS.items()
}


def design_image(recipe: Recipe, platform: HostPlatform) -> Blueprint:
    toolchain = KINDS[recipe.kind].make(recipe, platform)
    runner = make_runner(recipe, platform)
    env = make_environment(recipe, platform, toolchain, runner)
    layers = (
        *_base_layers(recipe.bases),
        *_tool_layers(recipe, platform, toolchain, runner),
        _own_layer(recipe, platform, env),
    )
    own = (s.name for layer in layers for s in layer.sources if isinstance(s, OwnFileSpec))
    private = dict.fromkeys((*own, *toolchain.private))
    filters = list_filters(_list_kept(recipe, platform), platform.gnu_triplet)
    return Blueprint(
        recipe=recipe.name,
        target=recipe.target.triple,
        platform=platform,
        archives=recipe.archives,
        layers=tuple(
            replace(layer, filters=filters if n == 0 or layer.packages else ())
            for n, layer in enumerate(layers)
            if n == 0 or not layer.is_empty
        ),
        env=env,
        opened_archives=_list_opened_archives(recipe, layers),
        has_own_libc=toolchain.has_own_libc,
        labels=(
            ("org.cross-rs.for-cross-target", recipe.target.triple),
            ("org.cross-rs.runs-with", runner.name),
            *runner.labels,
            *([(PRIVATE, " ".join(private))] if private else []),
            ("org.opencontainers.image.title", recipe.name),
            ("org.opencontainers.image.description", recipe.description),
            *toolchain.labels,
        ),
    )


def _list_kept(recipe: Recipe, platform: HostPlatform) -> Iterator[str]:
    for additions in (*(base.additions for base in recipe.bases), recipe.additions):
        yield from additions.keep
    if is_native(recipe.target, platform):
        yield from KEPT_BY_NATIVE


def _list_opened_archives(recipe: Recipe, layers: Iterable[LayerSpec]) -> tuple[Archive, ...]:
    """Return the suites that layers open packages from and the image does not have, in the base suite's archive."""
    known = {archive.suite for archive in recipe.archives}
    suites = dict.fromkeys(layer.opened_from for layer in layers if layer.opened_from)
    base = recipe.archives[0]
    return tuple(
        Archive(name=suite.replace("/", "-"), archive=base.archive, suite=suite, components=base.components)
        for suite in suites
        if suite not in known
    )


def design_base(bases: Sequence[Base], platform: HostPlatform) -> Blueprint:
    """What all images on a base share: its layer, and those of the bases below it. Root first."""
    return Blueprint(
        recipe=name_base(bases[-1].name),
        target="",
        platform=platform,
        archives=bases[0].archives,
        layers=tuple(layer for n, layer in enumerate(_base_layers(bases)) if n == 0 or not layer.is_empty),
        env=(),
        labels=(),
    )


def name_base_layer(bases: Sequence[Base]) -> str:
    """The name of the layer that the last of these bases adds."""
    return _ROOT if len(bases) == 1 else bases[-1].name


def _base_layers(bases: Sequence[Base]) -> Iterator[LayerSpec]:
    """Yield the bases' layers.

    Recipes share them, so their scripts see the variables of the bases so far but none of the recipe's.
    """
    env: dict[str, str] = {}
    for number, base in enumerate(bases):
        env |= dict(base.additions.env)
        layer = _additions_layer(
            base.additions, tuple(env.items()), name=name_base_layer(bases[: number + 1]), comment=base.description
        )
        yield replace(layer, is_base=True)


def _own_layer(recipe: Recipe, platform: HostPlatform, env: tuple[tuple[str, str], ...]) -> LayerSpec:
    layer = _additions_layer(recipe.additions, env, name=_OWN, comment="what the recipe itself adds")
    if not (target := recipe.additions.target_packages):
        return layer
    foreign = not is_native(recipe.target, platform)
    suffix = f":{recipe.target.debian_arch}" if foreign else ""
    return replace(
        layer,
        # The toolchain may add the architecture too; dpkg accepts it twice.
        architectures=(recipe.target.debian_arch,) if foreign else (),
        packages=(*layer.packages, *(f"{package}{suffix}" for package in target)),
    )


def _additions_layer(additions: Additions, env: tuple[tuple[str, str], ...], *, name: str, comment: str) -> LayerSpec:
    return LayerSpec(
        name=name,
        comment=comment,
        packages=additions.host_packages,
        files=additions.files,
        sources=additions.sources,
        run=additions.run,
        env=env if additions.run else (),
    )
