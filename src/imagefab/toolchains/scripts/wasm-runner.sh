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
    eval "value=\${$name-}"
    if [ -n "$value" ]; then
        set -- --env "$name=$value" "$@"
    fi
done
exec /usr/bin/wasmedge "$@"
