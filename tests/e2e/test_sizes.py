"""Images carry what they need and nothing else, and weigh no more than their recipes allow."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from imagefab.engines.build import find_layers
from imagefab.factory import prepare_recipe
from imagefab.oci.layer import read_tree
from imagefab.oci.store import Store
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES
from tests.e2e.conftest import CommandLine
from tests.shipped_sample import SAMPLE

pytestmark = pytest.mark.e2e

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


@pytest.mark.parametrize("name", (*SAMPLE, "thumbv7m-none", "x86_64-none"))
def test_recipe(name: str, warm: CommandLine) -> None:
    built = warm.build(name, "--platform", "linux/amd64")
    (recipe,) = load_recipes(open_project(warm.folder), RULES, [name])
    assert recipe.size_budget is not None
    assert built["platforms"]["linux/amd64"]["size"] <= recipe.size_budget * 1_000_000
    (plan,) = prepare_recipe(open_project(warm.folder), recipe).choose(["linux/amd64"])
    store = Store(warm.store)
    layers = find_layers(plan, store, SilentProgress())
    tree = read_tree([store.read_blob(layer.listing) for layer in layers])
    files = [path for path, node in tree.items() if node.kind != "folder"]
    assert not [path for path in files if any(fnmatch(path, pattern) for pattern in UNWANTED)]
    documents = [path for path in files if path.startswith("usr/share/doc/") and tree[path].kind == "file"]
    assert not [path for path in documents if not path.endswith("/copyright")]
    emulators = [path for path in files if path.startswith("usr/bin/qemu-") and tree[path].kind == "file"]
    if recipe.target.os == "none":
        assert [path for path in emulators if "-system-" in path] == [f"usr/bin/qemu-system-{recipe.target.qemu}"]
    else:
        is_run = recipe.target.os == "linux" and not name.startswith("x86_64")
        assert emulators == ([f"usr/bin/qemu-{recipe.target.qemu}"] if is_run else [])
