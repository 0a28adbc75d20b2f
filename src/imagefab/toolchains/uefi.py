"""Kind uefi: clang and lld for UEFI applications, which are Windows' format without Windows.

The firmware's interface is all that an application has: there is no C library, and headers are the project's own.
Flags are those of rustc's targets, so that objects are compatible. rustc brings its own linker.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe, RunSpec
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import Target
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.llvm import LIBCLANG_HEADERS, VERSION, clang_layer
from imagefab.toolchains.script import read_script
from imagefab.toolchains.toolchain import Kind, Toolchain

_SOFT_FLOAT = "-mno-mmx -mno-sse -msoft-float"
_FLAGS = {"x86_64": f"-mno-red-zone {_SOFT_FLOAT}", "i686": _SOFT_FLOAT, "aarch64": ""}
"""By the first part of a triple."""
_COMMON = "-ffreestanding -fshort-wchar -nostdlibinc"
_LINK = "-nostdlib -fuse-ld=lld -Wl,-subsystem:efi_application -Wl,-entry:efi_main -Wno-unused-command-line-argument"
_TOOLS = "ar nm objcopy objdump ranlib readobj strip"


def make_uefi(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    version = str(dict(recipe.options)["version"])
    return Toolchain(
        layers=(clang_layer(version), _wrappers_layer(target, version)),
        linker=None,
        cc=f"{target.triple}-clang",
        cxx=f"{target.triple}-clang++",
        ar=f"{target.triple}-ar",
        prefix=f"{target.triple}-",
        sysroot=f"/usr/{target.triple}",
        pkg_config=f"/usr/{target.triple}/lib/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, f"--target={_name_for_clang(target)}", *_COMMON.split()),
        cmake=(
            ("CMAKE_AR", f"/usr/local/bin/{target.triple}-ar"),
            ("CMAKE_RANLIB", f"/usr/local/bin/{target.triple}-ranlib"),
            # CMake's test program has no entry point that the firmware knows.
            ("CMAKE_TRY_COMPILE_TARGET_TYPE", "STATIC_LIBRARY"),
        ),
    )


def _name_for_clang(target: Target) -> str:
    return f"{target.stem}-unknown-windows"


def _wrappers_layer(target: Target, version: str) -> LayerSpec:
    flags = " ".join(filter(None, (f"--target={_name_for_clang(target)}", _FLAGS[target.stem], _COMMON, _LINK)))
    wrappers = {"clang": flags, "clang++": f"{flags} -fno-exceptions -fno-rtti -fno-threadsafe-statics"}
    return LayerSpec(
        name=f"uefi-{target.stem}",
        comment=f"clang, lld and the binary tools under their names for {target.triple}",
        folders=(f"/usr/{target.triple}/include",),
        files=tuple(
            FileSpec(
                path=f"/usr/local/bin/{target.triple}-{tool}",
                content=read_script("wasm-clang.sh", version=version, tool=tool, options=options).encode(),
                mode=0o755,
            )
            for tool, options in wrappers.items()
        ),
        run=(
            RunSpec(
                name="binary tools",
                script=f"for tool in {_TOOLS}; do\n"
                f"    ln -s /usr/lib/llvm-{version}/bin/llvm-$tool /usr/local/bin/{target.triple}-$tool\n"
                "done\n",
            ),
        ),
    )


def _accepts(target: Target) -> str | None:
    return None if target.os == "uefi" else "it is not UEFI"


KIND = Kind(
    rules=KindRules(
        name="uefi",
        summary="clang and lld for UEFI applications, booted under QEMU",
        accepts=_accepts,
        options=(VERSION,),
    ),
    make=make_uefi,
)
