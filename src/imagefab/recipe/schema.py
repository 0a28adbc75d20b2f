"""JSON schemas of the files that people write, so that editors complete and validate them.

They are generated from the declarations that the loader uses. What a schema can't express (references between names,
paths that collide) only the loader checks; a schema rejects nothing that the loader accepts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagefab.files.disk import make_folder, write_atomic
from imagefab.files.plain import has_bytes
from imagefab.recipe.format import BASE, SETTINGS, declare_options, declare_recipe, declare_runner
from imagefab.recipe.project import Project
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import TARGETS
from imagefab.toml.grammar import Table

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_recipe_schema(rules: Mapping[str, KindRules]) -> dict[str, Any]:
    schema = _build_schema("imagefab recipe", declare_recipe(rules))
    schema["allOf"] = [_describe_kind(kind) for kind in rules.values()]
    return schema


def build_base_schema() -> dict[str, Any]:
    return _build_schema("imagefab base", BASE)


def build_settings_schema() -> dict[str, Any]:
    return _build_schema("imagefab settings", SETTINGS)


def render_schemas(rules: Mapping[str, KindRules]) -> dict[str, str]:
    """Render the schema files, by path inside the recipes folder."""
    schemas = {
        "recipe.schema.json": build_recipe_schema(rules),
        "bases/base.schema.json": build_base_schema(),
        "imagefab.schema.json": build_settings_schema(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def write_schemas(project: Project, rules: Mapping[str, KindRules]) -> list[Path]:
    """Write the schema files into a project; returns those that changed."""
    changed = []
    for name, text in render_schemas(rules).items():
        path = project.recipes_dir / name
        if not has_bytes(path, text.encode()):
            make_folder(path.parent)
            write_atomic(path, text.encode(), within=project.root)
            changed.append(path)
    return changed


def _build_schema(title: str, table: Table) -> dict[str, Any]:
    return {"$schema": _DIALECT, "title": title} | table.schema()


def _describe_kind(kind: KindRules) -> dict[str, Any]:
    """Describe what applies to the recipes of one kind."""
    targets = [target for target in TARGETS.values() if kind.accepts(target) is None]
    return {
        "if": {"properties": {"kind": {"const": kind.name}}, "required": ["kind"]},
        "then": {
            "description": kind.summary,
            "properties": {
                "target": {"enum": [target.triple for target in targets]},
                "runner": declare_runner(kind, targets).schema(),
                "options": declare_options(kind).schema(),
            },
        },
    }
