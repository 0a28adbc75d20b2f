"""The recipes in this repository are valid, and the schemas beside them are up to date."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.recipe.schema import render_schemas
from imagefab.toolchains.design import RULES

PROJECT = find_shipped_project()


def test_all_recipes_load() -> None:
    recipes = load_recipes(PROJECT, RULES)
    assert tuple(recipe.name for recipe in recipes) == list_recipes(PROJECT)
    assert "aarch64-musl" in list_recipes(PROJECT)


def test_schemas_are_up_to_date() -> None:
    schemas = render_schemas(RULES)
    stale = [name for name, text in schemas.items() if (PROJECT.recipes_dir / name).read_text("utf-8") != text]
    assert not stale, "`make schemas` writes them"


def test_recipes_name_their_schema() -> None:
    def names_schema(path: Path) -> bool:
        first, _, _ = path.read_text("utf-8").partition("\n")
        return (path.parent / first.removeprefix("#:schema ")).is_file()

    assert [path for path in PROJECT.recipes_dir.rglob("*.toml") if not names_schema(path)] == []


def test_images_fetch_nothing_from_a_host_that_only_redirects() -> None:
    for base in {base.name: base for recipe in load_recipes(PROJECT, RULES) for base in recipe.bases}.values():
        for file in base.additions.files:
            hosts = {line.split("/")[2] for line in file.content.decode().splitlines() if line.startswith("URIs:")}
            assert hosts <= {"ftp.debian.org", "security.debian.org"}


def test_schemas_are_schemas() -> None:
    for text in render_schemas(RULES).values():
        jsonschema.Draft202012Validator.check_schema(json.loads(text))
