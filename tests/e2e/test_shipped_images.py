"""Shipped images pass their check, carry what they need and nothing else, and weigh no more than they may. `make prove`
does so with one of each kind, and checks every recipe."""

from __future__ import annotations

from fnmatch import fnmatch
from itertools import chain

import pytest

from imagefab.engines.build import find_layers
from imagefab.flows.prepare import prepare_recipe
from imagefab.oci.layer import read_tree
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.model import Recipe
from imagefab.recipe.project import open_project
from imagefab.store.store import Store
from imagefab.toolchains.design import RULES
from imagefab.toolchains.suite import find_suite
from tests.e2e.support.command_line import CommandLine, list_failures, list_probes
from tests.e2e.support.rust import Rust
from tests.shipped_sample import SAMPLE

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

UNWANTED = (
    "usr/share/man/*/*",
    "usr/share/info/*.info*",  # base-files makes an empty index beside
    "usr/share/locale/*/*",
    "usr/share/lintian/*",
    "var/lib/apt/lists/*",
    "var/cache/apt/*",
    "var/log/*",
    "*/__pycache__/*",
)


QUICK = {"aarch64-gnu", "x86_64-gnu"}
"""What other tests build as well. `make prove` has the others."""
WITH_RUST = {"aarch64-gnu", "aarch64-gnu-bullseye", "aarch64-gnu-llvm", "aarch64-gnu-zig", "aarch64-musl", "x86_64-gnu",
             "wasm32-wasip1", "wasm32-unknown"}  # fmt: skip
"""For the others this toolchain has no std, and the probe is skipped; `make prove` has one for more of them."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.prove]) for name in SAMPLE],
)
def test_recipe(name: str, warm: CommandLine, request: pytest.FixtureRequest) -> None:
    rust: Rust = request.getfixturevalue("musl_rust" if name.endswith("musl") else "debian_rust")
    built = warm.build(name, "--platform", "linux/amd64", "--engine", "sandbox")
    (recipe,) = load_recipes(open_project(warm.folder), RULES, [name])
    assert recipe.size_budget is not None
    assert built["platforms"]["linux/amd64"]["size"] <= recipe.size_budget * 1_000_000
    assert_nothing_unwanted(recipe, warm)
    assert_good(recipe, warm, rust)


def assert_good(recipe: Recipe, line: CommandLine, rust: Rust) -> None:
    report = line.check(recipe.name, "--engine", "sandbox", "--rust", rust.sysroot)
    assert not list_failures(report)
    assert report["ok"]
    passed, facts, kind = list_probes(report, "pass"), report["facts"], recipe.kind
    assert passed >= {"apt", "any-user", "variables"}
    assert ("rust" in passed) == (recipe.name in WITH_RUST)
    assert facts["cmake"]
    assert facts["gcc" if kind in ("gcc", "musl", "mingw") or "picolibc" in facts else "clang"]
    if recipe.target.os == "linux":
        assert passed >= {"c", "c++", "shared", "cmake", "bindgen"}
        assert ("c-static" in passed) == (kind != "zig")
        assert ("musl" in facts) == ("glibc-floor" not in facts) == (kind == "musl")
        assert ("qemu" in facts) == (not recipe.name.startswith("x86_64"))
    if recipe.target.os == "none":
        assert passed >= {"c", "boot", "exit-code", "c++", "cmake", "bindgen"}
        assert facts["qemu"]
    if recipe.name == "x86_64-none":
        assert passed >= {"debug", "boot-bios", "boot-uefi"}
    if kind == "gcc":
        assert facts["gcc"].startswith(f"{find_suite(recipe).gcc}.")
    claim = dict(recipe.options).get("glibc")
    assert ("glibc" in passed) == bool(claim)
    assert not claim or facts["glibc"] == claim


def assert_nothing_unwanted(recipe: Recipe, line: CommandLine) -> None:
    (plan,) = prepare_recipe(open_project(line.folder), recipe).choose_plans(["linux/amd64"])
    store = Store(line.store)
    layers = chain.from_iterable(find_layers(plan, store, SilentProgress()))
    tree = read_tree([store.read_blob(layer.listing) for layer in layers])
    files = [path for path, node in tree.items() if node.kind != "folder"]
    assert not [path for path in files if any(fnmatch(path, pattern) for pattern in UNWANTED)]
    documents = [path for path in files if path.startswith("usr/share/doc/") and tree[path].kind == "file"]
    assert not [path for path in documents if not path.endswith("/copyright")]
    emulators = [path for path in files if path.startswith("usr/bin/qemu-") and tree[path].kind == "file"]
    if recipe.target.os == "none":
        assert [path for path in emulators if "-system-" in path] == [f"usr/bin/qemu-system-{recipe.target.qemu}"]
    else:
        is_run = recipe.target.os == "linux" and not recipe.name.startswith("x86_64")
        assert emulators == ([f"usr/bin/qemu-{recipe.target.qemu}"] if is_run else [])
