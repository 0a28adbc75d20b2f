"""Shipped recipes that stand for all of their kind, where trying every one would take hours."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from imagefab.recipe.project import find_shipped_project

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


def copy_project(root: Path, names: Iterable[str]) -> None:
    """A project with some of the shipped recipes, and all of the bases and schemas."""
    shipped = find_shipped_project()
    shutil.copytree(shipped.bases_dir, root / "recipes" / "bases")
    for schema in shipped.recipes_dir.glob("*.json"):
        shutil.copy(schema, root / "recipes")
    for name in names:
        shutil.copy(shipped.recipes_dir / f"{name}.toml", root / "recipes")
        shutil.copytree(shipped.images_dir / name, root / "images" / name)
