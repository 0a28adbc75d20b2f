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

RUNNER = "/wasm-runner"

_SCRIPT = """\
#!/bin/sh
# Runs a WebAssembly program for WASI.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: wasm-runner PROGRAM [ARGUMENT...]" >&2
    exit 2
fi
if [ "${CROSS_RUNNER:-wasmedge}" != wasmedge ]; then
    echo "wasm-runner: this image runs WASI programs with: wasmedge; not with '$CROSS_RUNNER'" >&2
    exit 1
fi
here=$(pwd)
set -- --dir ".:$here" --dir "$here:$here" -- "$@"
for name in RUST_BACKTRACE RUST_LOG RUST_MIN_STACK RUST_TEST_THREADS; do
    eval "value=\\${$name-}"
    if [ -n "$value" ]; then
        set -- --env "$name=$value" "$@"
    fi
done
exec /usr/bin/wasmedge "$@"
"""


def make_wasmedge(recipe: Recipe, platform: HostPlatform) -> Runner:
    layer = LayerSpec(
        name="runner-wasmedge",
        comment="WasmEdge, to run WASI programs",
        packages=("wasmedge",),
        files=(FileSpec(path=RUNNER, content=_SCRIPT.encode(), mode=0o755),),
    )
    return Runner(name="wasmedge", command=(RUNNER,), layers=(layer,), choices=("wasmedge",))


def make_node(recipe: Recipe, platform: HostPlatform) -> Runner:
    layer = LayerSpec(name="runner-node", comment="Node, to run what Emscripten makes", packages=("nodejs",))
    return Runner(name="node", command=("/usr/bin/node",), layers=(layer,), choices=("node",))
