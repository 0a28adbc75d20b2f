"""The shipped recipes that stand for all of their kind, where to try every one of them would take hours."""

from __future__ import annotations

SAMPLE = (
    "aarch64-gnu",
    "x86_64-gnu",
    "aarch64-gnu-bullseye",
    "aarch64-musl",
    "aarch64-gnu-llvm",
    "aarch64-gnu-zig",
    "aarch64-darwin",
    "aarch64-android",
    "x86_64-windows-msvc",
    "x86_64-windows-gnu",
    "wasm32-wasip1",
)
"""Built, weighed and checked."""

BOTH_PLATFORMS = ("aarch64-gnu", "x86_64-gnu")
"""Built for machines of either architecture. What compiles a library in the build takes long under emulation."""

OTHERS = ("riscv64gc-gnu", "thumbv7m-none", "x86_64-none", "wasm32-unknown",
          "x86_64-windows-gnullvm")  # fmt: skip
"""What tests of their own build."""
