"""What a step prints, as whoever built it sees it: nothing that a terminal or a CI service acts on."""

from __future__ import annotations

import re

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.projects import add_recipe, add_step

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker")]

NASTY = r"printf '\033]0;title\007\033[2J\302\233\342\200\256 hidden\r\n::error::x\n  ::add-mask::y\n##[add-path]/z\n'"
ACTING = re.compile(r"^\s*::|##\[|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", re.MULTILINE)


@pytest.mark.parametrize("engine", ["sandbox", "docker"])
def test_a_step_that_fails(engine: str, tiny: CommandLine, unique: str) -> None:
    add_recipe(tiny, unique, add_step(f"{NASTY}\nexit 7\n", name="shout"))
    said = tiny.run("build", unique, "--engine", engine, code=5).stderr
    assert r"\u202e hidden" in said
    assert not ACTING.search(said)
