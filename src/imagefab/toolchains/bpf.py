"""Kind bpf: clang and LLVM's tools for programs that the Linux kernel loads.

Nothing links here: C becomes an object, which libbpf or aya loads, and rustc uses bpf-linker, which its users install
like any crate. The headers are libbpf's, and the kernel's as packaged.
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

_TOOLS = "ar nm objcopy objdump ranlib readelf strip"


def make_bpf(recipe: Recipe, platform: HostPlatform) -> Toolchain:
    target = recipe.target
    version = str(dict(recipe.options)["version"])
    # The kernel has no BPF of its own: its programs see the types of the machine that they were compiled on.
    headers = f"-idirafter/usr/include/{platform.gnu_triplet}"
    return Toolchain(
        layers=(clang_layer(version), _wrappers_layer(target, version, headers)),
        linker=None,
        cc=f"{target.triple}-clang",
        cxx=None,
        ar=f"{target.triple}-ar",
        prefix=f"{target.triple}-",
        sysroot="/usr",
        pkg_config=f"/usr/lib/{target.triple}/pkgconfig",
        bindgen=(LIBCLANG_HEADERS, f"--target={target.stem}", headers),
        cmake=(
            ("CMAKE_AR", f"/usr/local/bin/{target.triple}-ar"),
            ("CMAKE_RANLIB", f"/usr/local/bin/{target.triple}-ranlib"),
            ("CMAKE_TRY_COMPILE_TARGET_TYPE", "STATIC_LIBRARY"),
        ),
    )


def _wrappers_layer(target: Target, version: str, headers: str) -> LayerSpec:
    options = f"--target={target.stem} -g {headers}"
    return LayerSpec(
        name=f"bpf-{target.stem}",
        comment=f"libbpf's headers, clang and the binary tools under their names for {target.triple}",
        packages=("libbpf-dev",),
        files=(
            FileSpec(
                path=f"/usr/local/bin/{target.triple}-clang",
                content=read_script("wasm-clang.sh", version=version, tool="clang", options=options).encode(),
                mode=0o755,
            ),
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
    return None if target.os == "bpf" else "it is not BPF"


KIND = Kind(
    rules=KindRules(
        name="bpf", summary="clang for programs that the Linux kernel loads", accepts=_accepts, options=(VERSION,)
    ),
    make=make_bpf,
)
