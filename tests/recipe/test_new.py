"""Recipes that are written for the user: they load, and nothing is overwritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from imagefab.errors import UsageError
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.new import compose_recipe, copy_bases, write_recipe
from imagefab.recipe.project import find_shipped_project, open_project
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import RULES as SHIPPED

Rules = Mapping[str, KindRules]


@pytest.mark.parametrize("uncomment", [False, True])
def test_a_new_recipe_loads(uncomment: bool, write_project: Any, rules: Rules) -> None:
    text = compose_recipe("new", target="x86_64-unknown-linux-musl", kind="musl", rules=rules, base="root")
    if uncomment:
        text = re.sub(r"^# ", "", text, flags=re.MULTILINE)
    project = write_project({})
    assert write_recipe(project, "new", text) == project.recipes_dir / "new.toml"
    (recipe,) = load_recipes(project, rules, ["new"])
    assert recipe.runner == "auto"
    assert recipe.options == tuple((rule.name, rule.default) for rule in rules["musl"].options)
    assert (recipe.size_budget == 300) is uncomment


def test_nothing_is_overwritten(write_project: Any) -> None:
    project = write_project({})
    with pytest.raises(UsageError, match=r"recipes/good\.toml already exists"):
        write_recipe(project, "good", "")


def test_nothing_is_written_into_the_package() -> None:
    with pytest.raises(UsageError):
        write_recipe(find_shipped_project(), "new", "")


@pytest.mark.parametrize(
    ("name", "target", "kind", "hint"),
    [
        ("../x", "x86_64-unknown-linux-gnu", "gcc", "small letters"),
        ("x", "x86_64-linux-gnu", "gcc", "did you mean `x86_64-unknown-linux-gnu`?"),
        ("x", "x86_64-unknown-linux-gnu", "gc", "did you mean `gcc`?"),
        ("x", "x86_64-unknown-linux-gnu", "musl", "does not have musl"),
    ],
)
def test_what_no_recipe_can_be(name: str, target: str, kind: str, hint: str, rules: Rules) -> None:
    with pytest.raises(UsageError) as caught:
        compose_recipe(name, target=target, kind=kind, rules=rules)
    assert hint in (caught.value.hint or "")


def test_bases_are_copied_once(tmp_path: Path, rules: Rules) -> None:
    project = open_project(tmp_path)
    assert {path.name for path in copy_bases(project, find_shipped_project())} >= {"trixie.toml", "debian-trixie.toml"}
    assert copy_bases(project, find_shipped_project()) == []
    write_recipe(project, "new", compose_recipe("new", target="x86_64-unknown-linux-gnu", kind="gcc", rules=rules))
    assert len(load_recipes(project, rules)) == 1


def test_a_recipe_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "recipes").write_text("")
    with pytest.raises(UsageError, match=r"can't write recipes/new\.toml"):
        write_recipe(open_project(tmp_path), "new", "")


@pytest.mark.parametrize("kind", ["gcc", "musl", "llvm", "zig"])
def test_what_is_suggested_can_be_chosen(kind: str, write_project: Any) -> None:
    files = {}
    for target in TARGETS.values():
        if SHIPPED[kind].accepts(target) is None:
            text = compose_recipe("new", target=target.triple, kind=kind, rules=SHIPPED, base="root")
            files[f"recipes/{target.triple.lower()}.toml"] = re.sub(r"^# ", "", text, flags=re.MULTILINE)
    assert len(load_recipes(write_project(files), SHIPPED)) == len(files) + 1
