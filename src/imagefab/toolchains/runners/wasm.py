"""WebAssembly programs: WASI's under WasmEdge, Emscripten's under Node, for which it makes them.

Of the runtimes in the archive it is much the smallest: its compiler is the LLVM that images have anyway, of which it
needs a megabyte and a half more. Node, the other, is forty times that, and calls its own WASI an experiment.

A program sees the folder that it is started in, by its relative and by its absolute name, as is the custom with other
runtimes, and of the environment only what Rust's tests look at.
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
