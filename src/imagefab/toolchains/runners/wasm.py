"""WebAssembly programs: WASI's under WasmEdge, Emscripten's under Node, which they are made for.

Of the archive's runtimes, WasmEdge is by far the smallest: its compiler is the LLVM that images have anyway, to which
it adds a megabyte and a half. Node, the other, is forty times that, and calls its own WASI experimental.

A program sees the folder that it is started in, under its relative and its absolute path, as with other runtimes, and
only those environment variables that Rust's tests read.
"""

from __future__ import annotations

from imagefab.platforms import HostPlatform
from imagefab.recipe.model import FileSpec, Recipe
from imagefab.toolchains.blueprint import LayerSpec
from imagefab.toolchains.runners.runner import Runner
from imagefab.toolchains.script import read_script

RUNNER = "/wasm-runner"


def make_wasmedge(recipe: Recipe, platform: HostPlatform) -> Runner:
    layer = LayerSpec(
        name="runner-wasmedge",
        comment="WasmEdge, to run WASI programs",
        packages=("wasmedge",),
        files=(FileSpec(path=RUNNER, content=read_script("wasm-runner.sh").encode(), mode=0o755),),
    )
    return Runner(name="wasmedge", command=(RUNNER,), layers=(layer,), choices=("wasmedge",))


def make_node(recipe: Recipe, platform: HostPlatform) -> Runner:
    layer = LayerSpec(name="runner-node", comment="Node, to run what Emscripten makes", packages=("nodejs",))
    return Runner(name="node", command=("/usr/bin/node",), layers=(layer,), choices=("node",))
