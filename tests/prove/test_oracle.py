"""Real apt as the oracle, for every recipe, and inside images of the other host platform."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagefab.flows.prepare import design_blueprints
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES
from tests.e2e.support.apt import open_oracle
from tests.e2e.support.apt_in_images import compare_layers
from tests.e2e.support.command_line import ROOT, CommandLine

pytestmark = [pytest.mark.prove, pytest.mark.e2e]


def test_all_recipes(tmp_path: Path) -> None:
    with open_oracle(tmp_path) as oracle:
        for recipe in load_recipes(open_project(ROOT), RULES, list_recipes(open_project(ROOT))):
            for blueprint in design_blueprints(recipe):
                oracle.compare(blueprint)


@pytest.mark.parametrize("name", ["aarch64-gnu", "x86_64-gnu"])
def test_apt_in_images_for_arm64(name: str, warm: CommandLine, tmp_path: Path) -> None:
    warm.run("build", name, "--platform", "linux/arm64", "--engine", "sandbox")
    with open_oracle(tmp_path / "oracle") as oracle:
        compare_layers(oracle, warm, name, "linux/arm64", tmp_path)
