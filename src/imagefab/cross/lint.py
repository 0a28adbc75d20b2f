"""A linter for Cross.toml, as a version of cross reads it: remarks, each at the key or value that it is about.

Most remarks are warnings: the file works, but maybe not as intended. Some are fatal: cross rejects the whole file, or a
target with an image from imagefab cannot work. Nothing is written if there is a fatal one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from imagefab.cross.lint_env import check_env
from imagefab.cross.lint_images import check_dockerfile, check_image, check_ours, check_runner
from imagefab.cross.lint_prebuild import check_pre_builds
from imagefab.cross.profile import PROFILES, Profile, Shape, knows
from imagefab.cross.remark import Ours, Remark
from imagefab.cross.triples import TRIPLES
from imagefab.toml.edit import Keys, find_value, format_key
from imagefab.toml.grammar import name_type, quote, suggest
from imagefab.toml.positions import Outline

_ALIKE = 0.75
"""The similarity, up to 1, above which one triple counts as a misspelling of another."""

_ELSEWHERE = {
    ("build", "image"): "an image is one target's: write it under `[target.TRIPLE]`",
    ("build", "runner"): "a runner is one target's: write it under `[target.TRIPLE]`",
    ("build", "build-context"): "the folder is `context` in the table `dockerfile`",
    ("build", "xargo"): "`build-std` does it now",
    ("target", "xargo"): "`build-std` does it now",
    ("target", "build-context"): "the folder is `context` in the table `dockerfile`",
    ("target", "default-target"): "it belongs under `[build]`",
    ("target", "toolchain"): 'it belongs to the image: image = { name = "…", toolchain = ["…"] }',
}
"""Misplaced keys → what to do instead."""


def check_cross_toml(
    data: Mapping[str, Any], profile: Profile, *, ours: Mapping[str, Ours], custom: Collection[str] = ()
) -> tuple[Remark, ...]:
    """Return remarks on a document. `custom` are the user's own triples, which are in no list."""
    remarks = [*_check_keys(data, profile), *_check_triples(data, custom)]
    if isinstance(build := data.get("build"), dict):
        remarks += check_env(build, ("build",), profile)
    for triple, table in _targets(data):
        our = ours.get(triple)
        remarks += check_image(triple, table, profile)
        remarks += check_dockerfile(triple, table, data, our)
        remarks += check_runner(triple, table) if our is None else check_ours(triple, table, profile, our)
        remarks += check_env(table, ("target", triple), profile)
    remarks += check_pre_builds(data, ours)
    return tuple(dict.fromkeys(remarks))


def _targets(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = data.get("target")
    for triple, table in found.items() if isinstance(found, dict) else ():
        if isinstance(table, dict):
            yield triple, table


def check_form(text: str, profile: Profile) -> tuple[Remark, ...]:
    """Return remarks on a document's form: the release's older TOML parser does not accept all of TOML."""
    if profile.mixes_forms:
        return ()
    statements = Outline(text.removeprefix("\ufeff")).statements
    dotted = {one.path[0] for one in statements if not one.table and len(one.path) > 1}
    mixed = {one.path[0]: one.path for one in reversed(statements) if one.is_header and one.path[0] in dotted}
    return tuple(
        Remark(
            path,
            f"{profile.says} cannot read a file with both `{name}.…` keys and `[{name}.…]` tables",
            f"use one of the two forms for all of {quote(str(name))}",
            on_key=True,
            fatal=True,
        )
        for name, path in mixed.items()
    )


# -- keys and types ---------------------------------------------------------------------------------------------------


def _check_keys(data: Mapping[str, Any], profile: Profile) -> Iterator[Remark]:
    yield from _check_table(data, profile.document, (), profile)
    for triple, table in data["target"].items() if isinstance(data.get("target"), dict) else ():
        yield from _check_value(table, profile.target, ("target", triple), profile)


def _check_value(value: object, shape: Shape, path: Keys, profile: Profile) -> Iterator[Remark]:
    if not shape.accepts(value):
        yield _mistype(value, shape, path, profile)
    elif isinstance(value, dict) and shape.free:
        for key, element in value.items():
            if not isinstance(element, str):
                yield _mistype(element, Shape(says="a string"), (*path, key), profile)
    elif isinstance(value, dict):
        yield from _check_table(value, shape, path, profile)


def _check_table(table: Mapping[str, Any], shape: Shape, path: Keys, profile: Profile) -> Iterator[Remark]:
    assert shape.keys is not None
    for key in shape.required:
        if key not in table:
            yield Remark(
                path, f"{profile.says} needs `{key}` here, and refuses the file without it", fatal=True, on_key=True
            )
    for key, value in table.items():
        if key in shape.keys:
            # The contents of the table of targets are checked target by target.
            if not (path == () and key == "target" and isinstance(value, dict)):
                yield from _check_value(value, shape.keys[key], (*path, key), profile)
        else:
            yield _explain_unknown((*path, key), shape, profile)


def _mistype(value: object, shape: Shape, path: Keys, profile: Profile) -> Remark:
    found = name_type(value)
    if isinstance(value, list) and shape.texts:
        found = "something else in it"
    text = f"expected {shape.says}, found {found}; {profile.says} rejects the whole file"
    others = [other for other in PROFILES.values() if other is not profile and _shape_at(other, path).accepts(value)]
    hint = f"{others[0].says} takes it: --cross {others[0].name}" if others else None
    return Remark(path, text, hint, fatal=True)


def _explain_unknown(path: Keys, shape: Shape, profile: Profile) -> Remark:
    assert shape.keys is not None
    *_, parent, key = ("", *path)
    effect = "ignores it, and in CI its warning is a failure" if profile.strict else "ignores it, with a warning"
    text = f"{profile.says} does not know {quote(key)}: it {effect}"
    in_target = path[0] == "target" and len(path) == 3
    hint = None
    if in_target and f"{parent}.{key}" in TRIPLES:
        hint = f"a triple with a dot needs quotes: [target.{format_key(f'{parent}.{key}')}]"
    elif in_target or len(path) == 2:
        hint = _ELSEWHERE.get((path[0], key))
    knowing = [other for other in PROFILES.values() if other is not profile and _knows(other, path)]
    if hint is None and knowing:
        hint = f"only {knowing[0].says} knows it: --cross {knowing[0].name}"
    if hint is None:
        hint = suggest(key, shape.keys, noun="keys that can be here")
        if parent == "env" and "did you mean" not in (hint or "") and re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", key):
            hint = f'a variable is set by `passthrough = ["{key}=value"]`'
    return Remark(path, text, hint, on_key=True)


def _shape_at(profile: Profile, path: Keys) -> Shape:
    nothing = Shape(says="nothing")
    shape, rest = (profile.target, path[2:]) if path[:1] == ("target",) else (profile.document, path)
    for key in rest:
        shape = (shape.keys or {}).get(key, nothing)
    return shape


def _knows(profile: Profile, path: Keys) -> bool:
    if path[:1] == ("target",):
        return knows(profile.target, path[2:])
    return knows(profile.document, path)


# -- triples ----------------------------------------------------------------------------------------------------------


def _check_triples(data: Mapping[str, Any], custom: Collection[str]) -> Iterator[Remark]:
    for triple, _ in _targets(data):
        yield from _check_triple(triple, ("target", triple), custom, on_key=True)
    default = find_value(data, ("build", "default-target"))
    if isinstance(default, str):
        yield from _check_triple(default, ("build", "default-target"), custom, on_key=False)


def _check_triple(triple: str, path: Keys, custom: Collection[str], *, on_key: bool) -> Iterator[Remark]:
    from difflib import get_close_matches  # only needed for a warning

    if triple in TRIPLES or triple in custom:
        return
    close = get_close_matches(triple[:100].lower(), sorted(TRIPLES), n=1, cutoff=_ALIKE)
    if close:
        yield Remark(path, f"rustc has no target {quote(triple)}", f"did you mean `{close[0]}`?", on_key)
