"""Kind mingw: Debian's GCC and mingw-w64 for Windows, with POSIX threads.

Debian has this compiler in two variants. Only the one with POSIX threads has `std::thread` and `std::mutex` in C++, so
it alone is installed, and the plain names (x86_64-w64-mingw32-gcc) refer to it.

GCC's defaults for linking are unchanged: C++ programs, and C programs with threads, load GCC's own DLLs
(libstdc++-6.dll, libgcc_s_*-1.dll, libwinpthread-1.dll). Wrappers that link them statically would break programs that
throw exceptions through DLLs, because each would have its own copy of the unwinder. So the runner finds the DLLs in the
packages' folders; to ship a program, copy them from there or link with -static.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS
from imagefab.toolchains.toolchain import Kind, Toolchain


def make_mingw(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    triplet = recipe.target.gnu_triplet
    prefix = f"{triplet}-"
    layer = LayerSpec(
        name=f"gcc-{triplet}",
        comment=f"GCC for {triplet}, with POSIX threads",
        packages=(f"g++-mingw-w64-{recipe.target.stem.replace('_', '-')}-posix",),
    )
    return Toolchain(
        layers=(layer,),
        linker=f"{prefix}gcc",
        cc=f"{prefix}gcc",
        cxx=f"{prefix}g++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot=f"/usr/{triplet}",
        pkg_config=f"/usr/{triplet}/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, f"--sysroot=/usr/{triplet}"),
        cmake_root=f"/usr/{triplet}",
        cmake=(("CMAKE_RC_COMPILER", f"{prefix}windres"),),
    )


def _accepts(target: Target) -> str | None:
    if target.os != "windows":
        return "it is not Windows"
    if not target.gnu_triplet:
        return "it is not the GNU flavour of Windows, and GCC makes no other"
    return None


KIND = Kind(
    rules=KindRules(
        name="mingw",
        summary="Debian's GCC and mingw-w64 for Windows, with POSIX threads",
        accepts=_accepts,
    ),
    make=make_mingw,
)
