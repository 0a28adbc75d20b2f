"""Kind gcc: Debian's GCC cross compiler, with the GNU C library.

If the host platform is the target, this is the host's own GCC, under the same prefixed names.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe, RunSpec
from imagefab.recipe.rules import KindRules, OptionRule
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import GLIBC_CLAIM, LayerSpec
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import Suite, find_suite
from imagefab.toolchains.toolchain import Kind, Toolchain


def make_gcc(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    native = is_native(target, platform)
    prefix = f"{target.gnu_triplet}-"
    return Toolchain(
        layers=(cross_gcc_layer(recipe, platform),),
        linker=f"{prefix}gcc",
        cc=f"{prefix}gcc",
        cxx=f"{prefix}g++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot="/" if native else f"/usr/{target.gnu_triplet}",
        pkg_config=f"/usr/lib/{target.multiarch}/pkgconfig",
        bindgen=() if native else (f"-isystem/usr/{target.gnu_triplet}/include", *include_multiarch(target)),
        labels=tuple((GLIBC_CLAIM, str(claim)) for name, claim in recipe.options if name == "glibc" and claim),
    )


def explain_libraries(target: Target) -> str | None:
    """Return why the archive's cross libraries, including libgcc, do not fit the target, or None if they do."""
    if not target.debian_arch:
        return "the archive has neither a compiler nor a C library for it; kind `zig` is for it"
    if target.has_older_processor:
        has, needs = ("ARMv6", "ARMv7") if target.stem == "arm" else ("a Pentium", "a Pentium Pro")
        return (
            f"it is {has}, and Debian's libraries and libgcc for {target.debian_arch} need {needs}; "
            "kind `zig` is for it"
        )
    return None


def include_multiarch(target: Target) -> tuple[str, ...]:
    """Return clang's options for the header folders of the target's packages."""
    return (f"-idirafter/usr/include/{target.multiarch}", "-idirafter/usr/include")


def list_header_folders(target: Target, suite: Suite) -> tuple[str, ...]:
    """Return the folders of `include_multiarch` that no package brings: the kernel has one MIPS for all releases."""
    has_headers = suite.has_all_headers and not target.stem.startswith("mipsisa")
    return () if has_headers else (f"/usr/include/{target.multiarch}",)


def cross_gcc_layer(recipe: Recipe, platform: HostPlatform) -> LayerSpec:
    """Return the layer with GCC, shared by kinds that build on it; empty on the target's own platform."""
    target, suite = recipe.target, find_suite(recipe)
    native = is_native(target, platform)
    strip = RunSpec(
        name="no debug information in the compilers", script=read_script("gcc-strip.sh", triplet=target.gnu_triplet)
    )
    return LayerSpec(
        name=f"gcc-{target.gnu_triplet}",
        comment=f"GCC for {target.gnu_triplet}",
        architectures=(target.debian_arch,) if target.debian_release_arch and not native else (),
        packages=() if native else (f"g++-{target.gnu_triplet.replace('_', '-')}",),
        folders=() if native else list_header_folders(target, suite),
        run=() if native or suite.has_stripped_gcc else (strip,),
    )


def _accepts(target: Target) -> str | None:
    if target.os != "linux":
        return "it is not Linux"
    if reason := explain_libraries(target):
        return reason
    return "it has the musl C library; kind `musl` is for it" if target.is_musl else None


KIND = Kind(
    rules=KindRules(
        name="gcc",
        summary="Debian's GCC cross compiler and GNU C library",
        accepts=_accepts,
        options=(
            OptionRule(
                name="glibc",
                type=str,
                description="the newest glibc that binaries may need, like 2.31; empty for no claim",
                default="",
                pattern=r"^([0-9]+\.[0-9]+)?$",
            ),
        ),
    ),
    make=make_gcc,
)
