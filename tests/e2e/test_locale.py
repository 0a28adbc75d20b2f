"""Same lock, same digest, whatever the locale: one where names of files are Latin-1, and one that has ASCII only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, copy_packages
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

LETTERS = "äöü 漢字"
RECIPE = f"""\
description = "{LETTERS}"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "debian-trixie"
platforms = ["linux/amd64"]
runner = "none"

[env]
LETTERS = "{LETTERS}"

[[run]]
name = "{LETTERS}"
script = 'printf "%s" "$LETTERS" >"/opt/$LETTERS"'
"""


@pytest.fixture
def latin(tmp_path: Path) -> dict[str, str]:
    require(Path("/usr/share/i18n/locales/en_US").exists(), "the package locales")
    folder = tmp_path / "locales" / "en_US.ISO-8859-1"
    folder.parent.mkdir()
    subprocess.run(["localedef", "--inputfile=en_US", "--charmap=ISO-8859-1", folder], check=True, capture_output=True)
    return {"LOCPATH": str(folder.parent), "LC_ALL": folder.name}


def test_no_locale_is_in_an_image(
    latin: dict[str, str], project: Callable[[str], Path], warm: CommandLine, tmp_path: Path
) -> None:
    folder = project(RECIPE)
    warm.at(folder).run("lock")
    built = {}
    for name, changes in {"usual": {}, "latin": latin, "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0"}}.items():
        line = CommandLine(copy_packages(warm, tmp_path / name), folder)
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | changes
        built[name] = line.build("probe", "--engine", "sandbox", env=env)["digest"]
        words = ["sh", "-c", 'cat "/opt/$1"; printf "%s" "$LETTERS"', "sh", LETTERS]
        said = line.run(
            "run", "--engine", "sandbox", "--mount", tmp_path, "probe", "--", *words, env=env, encoding="utf-8"
        )
        assert said.stdout == LETTERS * 2
        line.run("context", "probe", tmp_path / f"context-{name}", env=env)
        assert LETTERS in (tmp_path / f"context-{name}" / "Dockerfile").read_text("utf-8")
    assert len(set(built.values())) == 1, built
