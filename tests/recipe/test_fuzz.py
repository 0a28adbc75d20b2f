"""Random recipes: each loads, or is refused with an error that has a position."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from imagefab.errors import ImagefabError, SeveralErrors
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import Project, open_project
from imagefab.recipe.rules import KindRules
from imagefab.recipe.schema import build_recipe_schema

Rules = Mapping[str, KindRules]

ROOT = 'description = "d"\n[[archives]]\nname = "trixie"\narchive = "debian"\nsuite = "trixie"\n'
SHA = "0" * 64

KEYS = [
    *("description", "target", "kind", "base", "runner", "platforms", "size-budget", "packages", "host", "env"),
    *("options", "jobs", "shared", "floor", "files", "path", "content", "source", "mode", "sources", "name", "url"),
    *("sha256", "run", "script", "archives", "", "a b", "\x1b", "x.y"),
]
TEXTS = [
    *("aarch64-unknown-linux-musl", "x86_64-unknown-linux-gnu", "musl", "gcc", "root", "none", "qemu-user"),
    *("linux/amd64", "file", "a:b", "/etc/x", "/etc/x/y", "../x", "files", "0644", "https://x.org/x", "http://[", SHA),
    *("", "a\nb", "\x00", "\u202e", "$(x)", "\r\n", "é", '"""', "'", "\\"),
]

texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8))
scalars = st.one_of(texts, st.booleans(), st.integers(-1, 300), st.floats(allow_nan=False, allow_infinity=False))
keys = st.one_of(st.sampled_from(KEYS), st.text(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Right more often than not, so that the wrong parts meet right ones."""
    return st.integers(0, 15).flatmap(lambda dice: good if dice else values)


names = st.sampled_from(["a", "b", "c"])
lines = mostly(st.sampled_from(["x", "$(id)", "a b\tc"]))
packages = st.lists(mostly(st.sampled_from(["file", "gcc:arm64"])), max_size=2)
environment = st.dictionaries(mostly(st.sampled_from(["A", "b_1"])).filter(lambda key: isinstance(key, str)), lines)
options = st.fixed_dictionaries({}, optional={"jobs": mostly(st.integers()), "shared": scalars, "floor": texts})
file_tables = st.fixed_dictionaries({"path": mostly(st.sampled_from(["/a", "/a/b", "/c"])), "content": lines})
source_tables = st.fixed_dictionaries(
    {
        "name": mostly(names),
        "url": mostly(st.sampled_from(["https://x.org/x", "http://[::1]:80/?a=%20"])),
        "sha256": mostly(st.just(SHA)),
    }
)
run_tables = st.fixed_dictionaries(
    {"name": mostly(names), "script": lines}, optional={"sources": st.lists(names, max_size=2)}
)
recipes = st.fixed_dictionaries(
    {
        "description": mostly(st.just("d")),
        "target": mostly(st.sampled_from(["aarch64-unknown-linux-musl", "x86_64-unknown-linux-gnu"])),
        "kind": mostly(st.sampled_from(["musl", "gcc"])),
        "base": mostly(st.just("root")),
    },
    optional={
        "packages": mostly(st.fixed_dictionaries({}, optional={"host": packages})),
        "env": mostly(environment),
        "options": mostly(options),
        "files": mostly(st.lists(file_tables, max_size=3)),
        "sources": mostly(st.lists(source_tables, max_size=2)),
        "run": mostly(st.lists(run_tables, max_size=2)),
    },
)


def write_toml(value: Any) -> str:
    """A value as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            escaped = "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value)
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(write_toml(item) for item in value)}]"
        case dict():
            return "{" + ", ".join(f"{write_toml(key)} = {write_toml(item)}" for key, item in value.items()) + "}"
        case _:
            return repr(value)


def write_document(table: dict[str, Any]) -> str:
    return "".join(f"{write_toml(key)} = {write_toml(value)}\n" for key, value in table.items())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    (root / "recipes" / "bases").mkdir(parents=True)
    (root / "recipes" / "bases" / "root.toml").write_text(ROOT)
    return open_project(root)


def load(project: Project, data: bytes, rules: Rules) -> bool:
    """Whether it loads; anything but our own errors, all with a position and fit to print, is a failure."""
    (project.recipes_dir / "x.toml").write_bytes(data)
    try:
        load_recipes(project, rules)
    except SeveralErrors as several:
        assert several.errors
        for error in several.errors:
            assert isinstance(error, ImagefabError)
            assert error.position is not None and error.position.file == "recipes/x.toml"
            assert str(error).isprintable()
            assert error.hint is None or error.hint.isprintable()
        return False
    return True


@given(data=st.binary(max_size=64))
def test_any_bytes(project: Project, rules: Rules, data: bytes) -> None:
    assert not load(project, data, rules)


@given(text=st.one_of(st.text(max_size=64), st.text(alphabet="[]{}=.,#\"'\\\n ab1+-:_eTZx", max_size=64)))
def test_any_text(project: Project, rules: Rules, text: str) -> None:
    assert not load(project, text.encode(), rules)


@given(table=st.one_of(recipes, st.dictionaries(keys, values, max_size=5)))
def test_any_toml_and_what_loads_is_valid_by_the_schema(project: Project, rules: Rules, table: dict[str, Any]) -> None:
    text = write_document(table)
    loads = load(project, text.encode(), rules)
    event(f"loads: {loads}")
    if loads:
        jsonschema.validate(tomllib.loads(text), build_recipe_schema(rules))


@given(table=recipes, at=st.integers(0, 400), junk=st.sampled_from(['"', "'", "[", "]", "=", "\n", "#", "\\", '"""']))
def test_any_typing_error(project: Project, rules: Rules, table: dict[str, Any], at: int, junk: str) -> None:
    text = write_document(table)
    load(project, (text[:at] + junk + text[at:]).encode(), rules)
