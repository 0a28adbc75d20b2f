"""What the kinds that there are refuse, told where the recipe says it."""

from __future__ import annotations

from typing import Any

import pytest

from imagefab.errors import SeveralErrors
from imagefab.recipe.loader import load_recipes
from imagefab.toolchains.design import RULES

TEXT = """\
description = "what it is for"
target = "{target}"
kind = "{kind}"
base = "root"
"""


def refuse(write_project: Any, target: str, kind: str, *lines: str) -> list[tuple[int, int, str, str]]:
    """Line, column, problem and hint of all that is wrong with a recipe; nothing where it is good."""
    text = TEXT.format(target=target, kind=kind) + "".join(f"{line}\n" for line in lines)
    project = write_project({"recipes/good.toml": text})
    try:
        load_recipes(project, RULES, ["good"])
    except SeveralErrors as caught:
        return [
            (error.position.line or 0, error.position.column or 0, error.problem, error.hint or "")
            for error in caught.errors
            if error.position
        ]
    return []


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("llvm", "aarch64-unknown-linux-gnu"),
        ("osxcross", "aarch64-apple-darwin"),
        ("android", "aarch64-linux-android"),
        ("msvc", "x86_64-pc-windows-msvc"),
    ],
)
def test_llvm_is_no_older_than_its_wrappers_ask_for(kind: str, target: str, write_project: Any) -> None:
    ((line, column, problem, hint),) = refuse(write_project, target, kind, "[options]", 'version = "15"')
    assert (line, column, problem) == (6, 11, "`15` is not a value for `version`")
    assert "16 or later" in hint
    for version in ("16", "19", "20", "21"):
        assert not refuse(write_project, target, kind, "[options]", f'version = "{version}"')
