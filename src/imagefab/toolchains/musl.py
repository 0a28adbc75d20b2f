"""Kind musl: Debian's musl for the target's architecture, on top of the GCC cross compiler, with C++.

Debian's own wrapper links C only. This one uses the same idea, a specs file that replaces the GNU C library with musl,
and differs where C++ needs it:

- libstdc++ is GCC's own, built from the archive's source against musl. It is position-independent, for static-pie and
  shared objects, and static only, because a binary that needs a libstdc++.so built for musl runs nowhere.
- libgcc_eh.a is built for the GNU C library. It finds unwind tables through `_dl_find_object`, and libgcc.a reads
  processor features through `__getauxval`. musl exports neither, so a small library implements both on top of musl.
- The linker writes the index of unwind tables (--eh-frame-hdr) in static programs too; without it a throw aborts.
- C headers come after all others (-idirafter), because C++ headers must find them with #include_next.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec, TarballSpec
from imagefab.toolchains.gcc import cross_gcc_layer, explain_libraries
from imagefab.toolchains.runners.linux import is_native
from imagefab.toolchains.script import read_script
from imagefab.toolchains.suite import find_suite
from imagefab.toolchains.toolchain import Kind, Toolchain

_LOADERS = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "powerpc64le", "armel": "arm"}
"""The architecture in the name of musl's dynamic linker, where it differs from Debian's name."""

_FLAGS = {"ppc64el": " -mlong-double-64 -U__BUILTIN_CPU_SUPPORTS__"}
"""Flags for where musl and the compiler disagree, by Debian's architecture: the size of a long double, and where the C
library keeps the processor's features."""

_GCC_FILES = (
    "libstdc++-v3/**",
    "libgcc/**.h",
    "libbacktrace/*",
    "libiberty/*",
    "include/*",
    *(f"gcc/{name}" for name in ("BASE-VER", "DATESTAMP", "DEV-PHASE")),
    *(f"config{name}" for name in ("-ml.in", ".guess", ".sub")),
    *("compile", "depcomp", "install-sh", "ltmain.sh", "missing", "mkinstalldirs", "move-if-change"),
    *("COPYING3", "COPYING.RUNTIME"),
)
_NOT_GCC_FILES = ("libstdc++-v3/testsuite/*/**", "libstdc++-v3/doc/html/**", "libstdc++-v3/doc/xml/**", "**/ChangeLog*")


def make_musl(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    prefix = f"{target.musl_triplet}-"
    return Toolchain(
        layers=(
            cross_gcc_layer(recipe, platform),
            _musl_layer(target, native=is_native(target, platform)),
            _cxx_layer(target, find_suite(recipe).gcc),
        ),
        linker=f"{prefix}gcc",
        cc=f"{prefix}gcc",
        cxx=f"{prefix}g++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot=f"/usr/{target.musl_triplet}",
        pkg_config=f"/usr/lib/{target.musl_triplet}/pkgconfig",
        bindgen=(f"--sysroot=/usr/{target.musl_triplet}", f"-isystem/usr/include/{target.musl_triplet}"),
        cmake_root=f"/usr/{target.musl_triplet}",
    )


def _musl_layer(target: Target, *, native: bool) -> LayerSpec:
    library = f"/usr/lib/{target.musl_triplet}"
    wrappers = (
        FileSpec(
            path=f"/usr/local/bin/{target.musl_triplet}-{tool}", content=_fill("musl-gcc.sh", target, tool), mode=0o755
        )
        for tool in ("gcc", "g++")
    )
    return LayerSpec(
        name=f"musl-{target.debian_arch}",
        comment="the musl C library, static and shared, and its compiler wrappers",
        packages=("musl-dev" if native else f"musl-dev:{target.debian_arch}",),
        files=(
            FileSpec(path=f"{library}/imagefab.specs", content=_fill("musl-gcc.specs", target), mode=0o644),
            FileSpec(path=f"{library}/libgcc_musl.c", content=read_script("libgcc_musl.c").encode(), mode=0o644),
            *wrappers,
        ),
        run=(
            RunSpec(
                name="tools, sysroot, and what libgcc asks of musl",
                script=_fill("musl-finish-c.sh", target, kernel=_find_kernel_headers(target, native=native)).decode(),
            ),
        ),
    )


def _cxx_layer(target: Target, version: int) -> LayerSpec:
    return LayerSpec(
        name=f"musl-{target.debian_arch}-cxx",
        comment="GCC's C++ library, built from its source for musl",
        tarballs=(
            TarballSpec(
                name="gcc.tar",
                package=f"gcc-{version}-source",
                member=f"/usr/src/gcc-{version}/gcc-*.tar.xz",
                keep=_GCC_FILES,
                drop=_NOT_GCC_FILES,
            ),
        ),
        run=(RunSpec(name="libstdc++", script=_fill("musl-build-cxx.sh", target).decode()),),
    )


def _find_kernel_headers(target: Target, *, native: bool) -> str:
    """Return the folders with the kernel's headers, relative to musl's: the cross compiler's, or the image's own."""
    return f"../{target.multiarch} .." if native else f"../../{target.gnu_triplet}/include"


def _fill(name: str, target: Target, tool: str = "", kernel: str = "") -> bytes:
    return read_script(
        name,
        gnu=target.gnu_triplet,
        musl=target.musl_triplet,
        loader=_LOADERS.get(target.debian_arch, target.debian_arch),
        tool=tool,
        kernel=kernel,
        flags=_FLAGS.get(target.debian_arch, ""),
    ).encode()


def _accepts(target: Target) -> str | None:
    if not target.is_musl:
        return "it does not have the musl C library; kind `gcc` is for it"
    if reason := explain_libraries(target):
        return reason
    if not target.debian_release_arch:
        return f"the archive has no musl for {target.debian_arch}; kind `zig` is for it"
    return None


KIND = Kind(
    rules=KindRules(
        name="musl",
        summary="static binaries with the musl C library",
        accepts=_accepts,
    ),
    make=make_musl,
)
