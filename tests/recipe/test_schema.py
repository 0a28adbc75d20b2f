"""The schemas and the loader agree: what loads is valid, and what a schema can tell to be wrong does not load."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from imagefab.errors import SeveralErrors
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import load_settings
from imagefab.recipe.rules import KindRules
from imagefab.recipe.schema import (
    build_base_schema,
    build_recipe_schema,
    build_settings_schema,
    render_schemas,
    write_schemas,
)

Rules = Mapping[str, KindRules]

SHA = "0" * 64
GOOD = """\
description = "static binaries"
target = "aarch64-unknown-linux-musl"
kind = "musl"
base = "root"
"""
WHOLE = f"""{GOOD}
runner = "none"
platforms = ["linux/amd64"]
size-budget = 250
[packages]
host = ["file", "libc6:arm64"]
target = ["musl-dev"]
[env]
FOO = "bar"
[options]
jobs = 4
cxx = "libstdc++"
floor = "2.28"
shared = true
[[files]]
path = "/etc/foo.conf"
content = "text"
mode = "0644"
[[sources]]
name = "tool.tar.gz"
url = "https://example.org/tool.tar.gz?x=1"
sha256 = "{SHA}"
[[run]]
name = "install tool"
sources = ["tool.tar.gz"]
script = "true\\n"
"""

# A part of the whole recipe → what breaks it, one for each rule that a schema can express.
BROKEN = [
    ('description = "static binaries"\n', ""),
    ('"static binaries"', '""'),
    ('"static binaries"', '"two\\nlines"'),
    ('"static binaries"', '"line end\\n"'),
    ('"static binaries"', "1"),
    ("aarch64-unknown-linux-musl", "aarch64-unknown-linux-gnu"),
    ("aarch64-unknown-linux-musl", "pdp11"),
    ('kind = "musl"', 'kind = "gcc"'),
    ('kind = "musl"', 'kind = "mussl"'),
    ('kind = "musl"\n', ""),
    ('base = "root"', 'base = "Root"'),
    ('base = "root"', 'base = "../root"'),
    ('runner = "none"', 'runner = "native"'),
    ('runner = "none"', 'runer = "none"'),
    ('["linux/amd64"]', '["linux/s390x"]'),
    ('["linux/amd64"]', "[]"),
    ('["linux/amd64"]', '"linux/amd64"'),
    ('["linux/amd64"]', '["linux/amd64", "linux/amd64"]'),
    ("250", "0"),
    ("250", '"250"'),
    ("250", "true"),
    ("250", "2.5"),
    ('"file"', '"File"'),
    ('"file"', '"file=1"'),
    ('"file"', '"file", "file"'),
    ('"file"', "1"),
    ('"musl-dev"', '"musl-dev:arm64"'),
    ("[packages]", "[packages.other]\n[packages]"),
    ("FOO =", '"F-O" ='),
    ("FOO =", '"F\\n" ='),
    ('"bar"', "1"),
    ('"bar"', '"b\\nar"'),
    ("jobs = 4", 'jobs = "4"'),
    ("jobs = 4", "job = 4"),
    ('"libstdc++"', '"libc++"'),
    ('"2.28"', '"new"'),
    ("shared = true", "shared = 1"),
    ('"/etc/foo.conf"', '"etc/foo.conf"'),
    ('"/etc/foo.conf"', '"/etc/../foo.conf"'),
    ('"/etc/foo.conf"', '"/etc//foo.conf"'),
    ('"/etc/foo.conf"', '"/etc/foo/"'),
    ('"/etc/foo.conf"', '"/"'),
    ('"/etc/foo.conf"', '"/dev/x"'),
    ('"/etc/foo.conf"', '"/etc/foo\\n"'),
    ('content = "text"', ""),
    ('content = "text"', 'content = "text"\nsource = "x"'),
    ('content = "text"', 'content = "te\\u0000xt"'),
    ('content = "text"', 'source = "/etc/passwd"'),
    ('content = "text"', 'source = ""'),
    ('"0644"', '"644x"'),
    ('"0644"', "0o644"),
    ('name = "tool.tar.gz"', 'name = "a/b"'),
    ('name = "tool.tar.gz"\n', ""),
    ("https://", "ftp://"),
    ("https://", "https://user@"),
    ("?x=1", " x"),
    (SHA, "F" * 64),
    (SHA, "0" * 63),
    ('"install tool"', '"in\\rstall"'),
    ('sources = ["tool.tar.gz"]', 'sources = "tool.tar.gz"'),
    ('"true\\n"', '" \\n"'),
    ('"true\\n"', '"true\\r\\n"'),
    ('"true\\n"', '"true\\u202e"'),
]


def is_valid(schema: Mapping[str, Any], text: str) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text))


@pytest.mark.parametrize("text", [GOOD, WHOLE])
def test_good_recipes_pass_both(text: str, write_project: Any, rules: Rules) -> None:
    assert is_valid(build_recipe_schema(rules), text)
    assert load_recipes(write_project({"recipes/good.toml": text}), rules)


@pytest.mark.parametrize(("part", "broken"), BROKEN)
def test_broken_recipes_fail_both(part: str, broken: str, write_project: Any, rules: Rules) -> None:
    text = WHOLE.replace(part, broken)
    assert text != WHOLE
    assert not is_valid(build_recipe_schema(rules), text)
    with pytest.raises(SeveralErrors):
        load_recipes(write_project({"recipes/good.toml": text}), rules)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('base = "root"', True),
        ('[[archives]]\nname = "a"\narchive = "debian"\nsuite = "a/updates"\ncomponents = ["main"]', True),
        ("", False),
        ('base = "root"\n[[archives]]\nname = "a"\narchive = "debian"\nsuite = "a"', False),
        ("archives = []", False),
        ('[[archives]]\nname = "a"\narchive = "debian"', False),
        ('[[archives]]\nname = "a"\narchive = "debian"\nsuite = "a"\ncomponents = []', False),
        ('[[archives]]\nname = "a"\narchive = "debian"\nsuite = "../a"', False),
        ('base = "root"\npackages.target = ["x11"]', False),
        ('base = "root"\nkind = "gcc"', False),
    ],
)
def test_bases(text: str, good: bool, write_project: Any, rules: Rules) -> None:
    text = f'description = "d"\n{text}\n'
    assert is_valid(build_base_schema(), text) is good
    project = write_project({"recipes/bases/other.toml": text})
    if good:
        load_recipes(project, rules)
    else:
        with pytest.raises(SeveralErrors):
            load_recipes(project, rules)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('mirrors.debian = "http://m.example/debian"\npublish.to = "localhost:5000/a/b"\nstore.path = "s"', True),
        ('mirrors.debian = ["http://m.example/debian", "http://[::1]:80"]', True),
        ("mirrors.debian = []", False),
        ('mirrors.debian = "m.example"', False),
        ('mirrors."De bian" = "http://m.example"', False),
        ('publish.to = "https://ghcr.io/a"', False),
        ('publish.to = "ghcr.io/a:latest"', False),
        ('publish.too = "ghcr.io/a"', False),
        ('mirror.debian = "http://m.example/debian"', False),
        ("store = 1", False),
    ],
)
def test_settings(text: str, good: bool, tmp_path: Any) -> None:
    assert is_valid(build_settings_schema(), text) is good
    (tmp_path / "imagefab.toml").write_text(text)
    if good:
        load_settings(tmp_path / "imagefab.toml")
    else:
        with pytest.raises(SeveralErrors):
            load_settings(tmp_path / "imagefab.toml")


def test_schemas_are_schemas_and_described(rules: Rules) -> None:
    for text in render_schemas(rules).values():
        schema = json.loads(text)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert all(described["description"] for described in schema["properties"].values())


def test_write_schemas_returns_what_changed(write_project: Any, rules: Rules) -> None:
    project = write_project({})
    assert len(write_schemas(project, rules)) == 3
    assert write_schemas(project, rules) == []
    (project.recipes_dir / "recipe.schema.json").write_text("{}")
    assert write_schemas(project, rules) == [project.recipes_dir / "recipe.schema.json"]
