"""Two kinds of toolchain for tests, and projects made of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from imagefab.recipe.project import Project, open_project
from imagefab.recipe.rules import KindRules, OptionRule

ROOT_BASE = """\
description = "the distribution"
[[archives]]
name = "trixie"
archive = "debian"
suite = "trixie"
"""

RECIPE = """\
description = "static binaries"
target = "aarch64-unknown-linux-musl"
kind = "musl"
base = "root"
"""


@pytest.fixture(scope="session")
def rules() -> Mapping[str, KindRules]:
    gcc = KindRules(
        name="gcc",
        summary="GNU",
        accepts=lambda target: "it has musl" if target.is_musl else None,
        runners=lambda target: ("auto", "native") if target.triple.startswith("x86_64") else ("auto", "qemu-user"),
    )
    musl = KindRules(
        name="musl",
        summary="static",
        accepts=lambda target: None if target.is_musl else "it does not have musl",
        runners=lambda target: ("auto", "qemu-user", "none"),
        options=(
            OptionRule(name="floor", type=str, description="like 2.17", default="2.17", pattern=r"^[0-9]+\.[0-9]+$"),
            OptionRule(name="jobs", type=int, description="how many", default=2),
            OptionRule(name="shared", type=bool, description="also shared", default=False),
            OptionRule(name="cxx", type=str, description="which C++", default="none", choices=("none", "libstdc++")),
        ),
    )
    return {"gcc": gcc, "musl": musl}


WriteProject = Callable[[Mapping[str, str]], Project]


@pytest.fixture
def write_project(tmp_path: Path) -> WriteProject:
    """A project of the files given, with the base `root` and the recipe `good` where they are not given."""

    def write(files: Mapping[str, str]) -> Project:
        for name, text in {"recipes/bases/root.toml": ROOT_BASE, "recipes/good.toml": RECIPE, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return open_project(tmp_path)

    return write
