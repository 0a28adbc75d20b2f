"""Kind wasm: WebAssembly for WASI, for custom hosts without a system, and through Emscripten.

The first two use clang and lld. Wrappers set the target and the location of its files, so that the compiler's name
alone is enough for the cc crate:

- WASI has a sysroot of its own, made of links. Without one clang searches /usr/include as well, and silently takes a
  header that WASI lacks from the image.
- clang calls today's WASI `wasip1` and looks for its runtime library under that name; the package has it under the
  older one.
- Debian's libc++ for WebAssembly supports neither exceptions nor threads, so C++ is compiled without exceptions:
  otherwise any use of a container needs a __cxa_throw that does not exist. Custom hosts have no C library at all.
- Archives are llvm-ar's. GNU ar's have no index of WebAssembly objects, which some linkers reject.

- wasip2's programs are components, and the tool that makes them out of modules comes with Rust, not with Debian. So C
  compiles to objects and archives, which rustc links.

rustc brings its own linker for these targets, so cargo gets none.

Emscripten is Debian's package, with all its libraries prebuilt: emcc writes only its output, and works on a read-only
root file system. Half of its 1.6 GB, the libraries for link time optimisation, is left out.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS, clang_layer
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain

_VERSION = "19"
"""The version of LLVM and of the libraries, which must match."""

_CLANGS = {"wasm32v1-none": "--target=wasm32-unknown-unknown -mcpu=mvp -mmutable-globals"}
"""clang's options for targets that it does not know by their triple."""

_EMSCRIPTEN = "/usr/share/emscripten"
_EMSCRIPTEN_SYSROOT = f"{_EMSCRIPTEN}/cache/sysroot"
_EMSCRIPTEN_LAYER = LayerSpec(
    name="emscripten",
    comment="Emscripten, its libraries built",
    packages=("emscripten",),
    # dpkg can't exclude them while unpacking: other files are hard links to some of them.
    run=(RunSpec(name="no libraries for link time optimisation", script=f"rm -r {_EMSCRIPTEN_SYSROOT}/lib/*/lto*\n"),),
)


def make_wasm(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    return _make_emscripten() if recipe.target.os == "emscripten" else _make_clang(recipe.target)


def _make_emscripten() -> Toolchain:
    return Toolchain(
        layers=(_EMSCRIPTEN_LAYER,),
        linker="emcc",
        cc="emcc",
        cxx="em++",
        ar="emar",
        prefix="em",
        sysroot=_EMSCRIPTEN_SYSROOT,
        pkg_config=f"{_EMSCRIPTEN_SYSROOT}/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, "-fvisibility=default", f"--sysroot={_EMSCRIPTEN_SYSROOT}"),
        cmake_root=_EMSCRIPTEN_SYSROOT,
        # Emscripten's own CMake platform file is there.
        cmake=(("CMAKE_MODULE_PATH", f"{_EMSCRIPTEN}/cmake/Modules"),),
    )


def _make_clang(target: Target) -> Toolchain:
    triple, has_system = target.triple, target.os in ("wasi", "wasip2")
    prefix, sysroot = f"{triple}-", f"/usr/{triple}"
    # bindgen only sees visible functions, and clang hides functions by default for these targets.
    bindgen = (
        LIBCLANG_HEADERS,
        "-fvisibility=default",
        *_CLANGS.get(triple, "").split(),
        *((f"--sysroot={sysroot}",) if has_system else ()),
    )
    return Toolchain(
        layers=(clang_layer(_VERSION), *((_WASI,) if has_system else ()), _wrappers_layer(target)),
        linker=None,
        cc=f"{prefix}clang",
        cxx=f"{prefix}clang++",
        ar=f"{prefix}ar",
        prefix=prefix,
        sysroot=sysroot,
        pkg_config=f"{sysroot}/lib/pkgconfig",
        bindgen=bindgen,
        cmake_root=sysroot,
        cmake=(
            *((f"CMAKE_{tool.upper()}", f"/usr/local/bin/{prefix}{tool}") for tool in ("ar", "ranlib")),
            # Here nothing links into a program, which is what CMake tries first.
            *(() if target.os == "wasi" else (("CMAKE_TRY_COMPILE_TARGET_TYPE", "STATIC_LIBRARY"),)),
        ),
    )


_WASI = LayerSpec(
    name="wasi",
    comment="the C and C++ libraries of WASI, and clang's own",
    packages=("wasi-libc", f"libc++-{_VERSION}-dev-wasm32", f"libclang-rt-{_VERSION}-dev-wasm32"),
)


def _wrappers_layer(target: Target) -> LayerSpec:
    triple, has_system = target.triple, target.os in ("wasi", "wasip2")
    named = _CLANGS.get(triple, f"--target={triple}")
    options = f"{named} --sysroot=/usr/{triple}" if has_system else f"{named} -nostdlib"
    wrappers = (("clang", "clang", options), ("clang++", "clang++", f"{options} -fno-exceptions"))
    sysroots = {"wasi": ("wasm-sysroot.sh",), "wasip2": ("wasm-sysroot-p2.sh",)}
    names = ("wasm-link.sh", *sysroots.get(target.os, ()))
    script = "".join(read_script(name, version=_VERSION, triple=triple) for name in names)
    return LayerSpec(
        name=f"llvm-{_VERSION}-{triple}",
        comment=f"clang, lld and the binary tools under their names for {triple}",
        folders=() if has_system else (f"/usr/{triple}/include",),
        files=tuple(
            FileSpec(
                path=f"/usr/local/bin/{triple}-{name}",
                content=read_script("wasm-clang.sh", version=_VERSION, tool=tool, options=given).encode(),
                mode=0o755,
            )
            for name, tool, given in wrappers
        ),
        run=(RunSpec(name="binary tools and sysroot", script=script),),
    )


def _accepts(target: Target) -> str | None:
    return None if target.os in ("wasi", "wasip2", "unknown", "emscripten") else "it is not WebAssembly"


KIND = Kind(
    rules=KindRules(
        name="wasm",
        summary="clang and lld for WebAssembly, with WASI's C and C++ libraries or Emscripten",
        accepts=_accepts,
    ),
    make=make_wasm,
)
