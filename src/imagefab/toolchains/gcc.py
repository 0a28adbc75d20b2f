"""Kind gcc: Debian's GCC for a target of its own, with the GNU C library.

On a host platform that is the target, the host's own GCC is that compiler, under the same prefixed names.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.toolchain import Kind, Toolchain

GCC_VERSIONS = {"bullseye": 10, "bookworm": 12, "trixie": 14}
"""By the base's suite."""
NEWEST_GCC = 14


def make_gcc(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    native = is_native(target, platform)
    prefix = f"{target.gnu_triplet}-"
    return Toolchain(
        layers=(cross_gcc_layer(target, platform),),
        linker=f"{prefix}gcc",
        cc=f"{prefix}gcc",
        cxx=f"{prefix}g++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot="/" if native else f"/usr/{target.gnu_triplet}",
        pkg_config=f"/usr/lib/{target.multiarch}/pkgconfig",
        bindgen=() if native else (f"-isystem/usr/{target.gnu_triplet}/include", *include_multiarch(target)),
    )


def include_multiarch(target: Target) -> tuple[str, ...]:
    """The folders in which the target's packages have their headers, for clang."""
    return (f"-idirafter/usr/include/{target.multiarch}", "-idirafter/usr/include")


def cross_gcc_layer(target: Target, platform: HostPlatform) -> LayerSpec:
    """GCC for the target; kinds that stand on it share this layer. Nothing on the target's own platform."""
    native = is_native(target, platform)
    return LayerSpec(
        name=f"gcc-{target.gnu_triplet}",
        comment=f"GCC for {target.gnu_triplet}",
        architectures=(target.debian_arch,) if target.debian_release_arch and not native else (),
        packages=() if native else (f"g++-{target.gnu_triplet.replace('_', '-')}",),
    )


def _accepts(target: Target) -> str | None:
    if target.os != "linux":
        return "it is not Linux"
    return "it has the musl C library; kind `musl` is for it" if target.is_musl else None


KIND = Kind(
    rules=KindRules(
        name="gcc",
        summary="Debian's GCC cross compiler and GNU C library",
        accepts=_accepts,
    ),
    make=make_gcc,
)
