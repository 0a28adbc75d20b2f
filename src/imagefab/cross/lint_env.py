"""The linter for `env`: variables that cross passes into the container, and folders that it mounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from imagefab.cross.profile import Profile
from imagefab.cross.remark import Remark
from imagefab.toml.edit import find_value
from imagefab.toml.grammar import quote
from imagefab.toml.positions import Path

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_env(table: Mapping[str, Any], path: Path, profile: Profile) -> Iterator[Remark]:
    """Yield remarks on the `env` of `[build]` or of a target, whose path is given."""
    for index, entry in _list_texts(table, "passthrough"):
        yield from _check_variable(entry, (*path, "env", "passthrough", index))
    for index, entry in _list_texts(table, "volumes"):
        name, equals, _ = entry.partition("=")
        if not _NAME.match(name):
            yield Remark(
                (*path, "env", "volumes", index),
                f"{profile.says} mounts nothing for {quote(entry)}: a volume is a variable whose value is a path",
                'volumes = ["NAME=/the/path"], or NAME alone if the environment has it; it is mounted at the same path',
            )
        elif equals and not entry.partition("=")[2]:
            yield Remark((*path, "env", "volumes", index), f"{quote(entry)} has no path", f"`{name}=/the/path`")


def _list_texts(table: Mapping[str, Any], key: str) -> Iterator[tuple[int, str]]:
    value = find_value(table, ("env", key))
    for index, entry in enumerate(value if isinstance(value, list) else ()):
        if isinstance(entry, str):
            yield index, entry


def _check_variable(entry: str, path: Path) -> Iterator[Remark]:
    name = entry.partition("=")[0]
    if name == "CROSS_RUNNER":
        yield Remark(
            path,
            "cross sets CROSS_RUNNER itself, and stops when it is passed through",
            '`runner = "…"` of a target sets it',
        )
    elif re.search(r"[*?\[]", name):
        hint = (
            "name each variable; those that begin with CARGO_ are passed anyway" if name.startswith("CARGO") else None
        )
        yield Remark(
            path, f"{quote(entry)} is the name of no variable: there are no patterns", hint or "name each variable"
        )
    elif not _NAME.match(name):
        yield Remark(path, f"{quote(entry)} is not a variable", 'passthrough = ["NAME", "NAME=value"]')
