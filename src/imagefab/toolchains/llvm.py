"""Kind llvm: clang and lld for a Linux target, with Debian's cross libraries for that target.

The GNU C library, its headers, libstdc++ and libgcc come from the packages that the GCC cross compiler uses, without
that compiler. Program names are prefixed with the target (aarch64-linux-gnu-clang), and settings are in a configuration
file: clang does not warn about unused settings there, as it does about unused options.

`version` selects LLVM's version: linking a Rust object with -Clinker-plugin-lto needs one as new as rustc's own.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules, OptionRule
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.gcc import explain_libraries, include_multiarch, list_header_folders
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import Suite, find_suite
from imagefab.toolchains.toolchain import Kind, Toolchain
from imagefab.toolchains.widths import list_width_defines

VERSION = OptionRule(
    name="version", type=str, default="19",
    description="LLVM's version, as the base's packages have it; 16 or later, as older ones know no --config=",
    pattern=r"^(1[6-9]|[2-9][0-9])$",
)  # fmt: skip

LIBCLANG_HEADERS = "-resource-dir=/usr/lib/llvm-19/lib/clang/19"
"""For the bases' libclang, which finds its own headers for Linux targets only."""

_SETTINGS = "/opt/llvm"


def make_llvm(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    native = is_native(target, platform)
    version = str(dict(recipe.options)["version"])
    prefix = f"{target.gnu_triplet}-"
    return Toolchain(
        layers=(
            clang_layer(version),
            _libraries_layer(target, find_suite(recipe), native=native),
            _wrappers_layer(recipe, version),
        ),
        linker=f"{prefix}clang",
        cc=f"{prefix}clang",
        cxx=f"{prefix}clang++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot="/" if native else f"/usr/{target.gnu_triplet}",
        pkg_config=f"/usr/lib/{target.multiarch}/pkgconfig",
        bindgen=() if native else (f"-isystem/usr/{target.gnu_triplet}/include", *include_multiarch(target)),
    )


def clang_layer(version: str) -> LayerSpec:
    """Return the layer with LLVM, the same for every kind that uses it."""
    return LayerSpec(
        name=f"llvm-{version}",
        comment=f"LLVM {version}: clang, lld and the binary tools",
        packages=(f"clang-{version}", f"lld-{version}", f"llvm-{version}"),
    )


def _libraries_layer(target: Target, suite: Suite, *, native: bool) -> LayerSpec:
    arch = target.debian_arch
    return LayerSpec(
        name=f"libraries-{target.gnu_triplet}",
        comment=f"the GNU C library and GCC's C++ library for {target.gnu_triplet}",
        architectures=(arch,) if target.debian_release_arch and not native else (),
        packages=() if native else (f"libc6-dev-{arch}-cross", f"libstdc++-{suite.gcc}-dev-{arch}-cross"),
        folders=() if native else list_header_folders(target, suite),
    )


def _wrappers_layer(recipe: Recipe, version: str) -> LayerSpec:
    gnu = recipe.target.gnu_triplet
    config = read_script("llvm-clang.cfg", triple=recipe.target.triple, gnu=gnu)
    config += "".join(f"{define}\n" for define in list_width_defines(recipe))
    wrappers = (
        FileSpec(
            path=f"/usr/local/bin/{gnu}-{tool}",
            content=read_script("llvm-clang.sh", version=version, tool=tool, settings=_SETTINGS, gnu=gnu).encode(),
            mode=0o755,
        )
        for tool in ("clang", "clang++")
    )
    return LayerSpec(
        name=f"llvm-{version}-{gnu}",
        comment=f"clang, lld and the binary tools under their names for {gnu}",
        files=(FileSpec(path=f"{_SETTINGS}/{gnu}.cfg", content=config.encode()), *wrappers),
        run=(RunSpec(name="binary tools", script=read_script("llvm-link.sh", version=version, gnu=gnu)),),
    )


def _accepts(target: Target) -> str | None:
    if target.os != "linux":
        return "it is not Linux"
    if target.stem == "sparc64":
        return "lld does not link for it; kind `gcc` is for it"
    if reason := explain_libraries(target):
        return reason
    return "it has the musl C library; kind `musl` is for it" if target.is_musl else None


KIND = Kind(
    rules=KindRules(
        name="llvm",
        summary="clang and lld, with Debian's GNU C library",
        accepts=_accepts,
        options=(VERSION,),
    ),
    make=make_llvm,
)
