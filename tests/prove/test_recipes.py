"""Every recipe on every host platform, built from its committed lock and checked. What a check finds is recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagefab.platforms import machine_platform, parse_platform
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES
from tests.e2e.support.command_line import ROOT, CommandLine, list_failures
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.prove, pytest.mark.e2e]

STORE = ROOT / ".cache" / "prove" / "store"


def list_cases() -> Iterator[tuple[str, str]]:
    for recipe in load_recipes(open_project(ROOT), RULES):
        for platform in recipe.platforms:
            yield recipe.name, platform


@pytest.fixture(scope="session")
def proving() -> CommandLine:
    """This repository, and a store that stays: images share layers, and a run goes on where the last one stopped."""
    STORE.parent.mkdir(parents=True, exist_ok=True)
    return CommandLine(STORE, ROOT)


@pytest.mark.parametrize(("recipe", "platform"), list(list_cases()))
def test_recipe(recipe: str, platform: str, proving: CommandLine, full_rust: Rust) -> None:
    proving.run("build", recipe, "--platform", platform, "--engine", "sandbox")
    # The tests' toolchain is for x86_64 hosts.
    rust = ("--rust", full_rust.sysroot) if parse_platform(platform) == machine_platform() else ()
    report = proving.check(recipe, "--platform", platform, "--engine", "sandbox", *rust)
    assert not list_failures(report)
