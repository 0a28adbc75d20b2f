"""Blueprints of shipped recipes, as golden texts: a change of one is a change of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.shipped_sample import SAMPLE

from imagefab.digest import Digest
from imagefab.flows.prepare import design_blueprints
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint, LayerSpec, _describe_source
from imagefab.toolchains.design import RULES

GOLDEN = Path(__file__).parent.parent / "golden" / "blueprints"
PROJECT = find_shipped_project()
NAMES = sorted({*SAMPLE, "thumbv7m-none", "wasm32-unknown", "x86_64-none", "x86_64-uefi"})


def show_layer(layer: LayerSpec) -> list[str]:
    lines = [f"layer {layer.name}: {layer.comment}"]
    lines += [f"  architecture {name}" for name in layer.architectures]
    lines += [f"  package {name}" for name in layer.packages]
    lines += [f"  extract {e.package} {e.member} -> {e.path} {e.mode:o}" for e in layer.extracts]
    lines += [f"  file {f.path} {f.mode:o} {Digest.of_bytes(f.content).short}" for f in layer.files]
    lines += [f"  tarball {t.package} {t.member} -> {t.name}" for t in layer.tarballs]
    lines += [f"  folder {path}" for path in layer.folders]
    lines += [f"  source {' '.join(_describe_source(s))}" for s in layer.sources]
    lines += [f"  run {r.name} {Digest.of_bytes(r.script.encode()).short}" for r in layer.run]
    return lines


def show(blueprint: Blueprint) -> str:
    lines = [f"== {blueprint.recipe} for {blueprint.target} on {blueprint.platform}"]
    lines += [line for layer in blueprint.layers for line in show_layer(layer)]
    lines += [f"env {name}={value}" for name, value in blueprint.env]
    lines += [f"label {name}={value}" for name, value in blueprint.labels]
    return "".join(f"{line}\n" for line in lines)


def test_blueprints(check_golden: Callable[[Path, str], None], subtests: pytest.Subtests) -> None:
    for recipe in load_recipes(PROJECT, RULES, NAMES):
        with subtests.test(recipe.name):
            text = "\n".join(show(blueprint) for blueprint in design_blueprints(recipe))
            check_golden(GOLDEN / f"{recipe.name}.txt", text)
    assert {path.stem for path in GOLDEN.iterdir()} == set(NAMES), "no golden file that nothing reads"


def test_recipes_for_one_target_share_their_lower_layers() -> None:
    # What keeps more of the packages has layers of its own.
    recipes = [recipe for recipe in load_recipes(PROJECT, RULES) if not recipe.additions.keep]
    by_name = {recipe.name: design_blueprints(recipe) for recipe in recipes}
    for gnu, musl in zip(by_name["aarch64-gnu"], by_name["aarch64-musl"], strict=True):
        shared = [layer for layer in gnu.layers if layer in musl.layers]
        assert shared == list(gnu.layers[:-1])
    bases = {
        (blueprint.archives, blueprint.platform, blueprint.layers[:2])
        for each in by_name.values()
        for blueprint in each
        if is_foreign(blueprint)
    }
    assert len(bases) == len({(archives, platform) for archives, platform, _ in bases})


def is_foreign(blueprint: Blueprint) -> bool:
    """Where the host's compiler is the target's, more of it is kept."""
    return TARGETS[blueprint.target].debian_arch != blueprint.platform.debian_arch
