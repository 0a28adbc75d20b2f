"""`imagefab completion`: what shells make of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab

SCRIPT = """
source {file}
COMP_WORDS=({words}) COMP_CWORD={last}
_shtab_imagefab
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def bash(imagefab: RunImagefab, small_project: Path) -> Path:
    result = imagefab("completion", "bash")
    assert result.code == 0
    file = small_project / "completion"
    file.write_text(result.out)
    return file


def complete(file: Path, *words: str) -> list[str]:
    script = SCRIPT.format(file=file, words=" ".join(repr(word) for word in words), last=len(words) - 1)
    said = subprocess.run(["bash", "-c", script], cwd=file.parent, capture_output=True, text=True, check=True)
    return said.stdout.split()


def test_verbs_and_options(bash: Path) -> None:
    assert complete(bash, "imagefab", "jud") == ["judge"]
    assert complete(bash, "imagefab", "judge", "--run") == ["--runs-on"]
    assert {"--from", "--file"} <= set(complete(bash, "imagefab", "cross-toml", "--f"))
    assert complete(bash, "imagefab", "completion", "fi") == ["fish"]


def test_recipes_and_files(bash: Path) -> None:
    assert complete(bash, "imagefab", "build", "aar") == ["aarch64-gnu"]
    (bash.parent / "program").touch()
    assert complete(bash, "imagefab", "judge", "prog") == ["program"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(imagefab: RunImagefab, nowhere: Path, shell: str) -> None:
    result = imagefab("completion", shell)
    assert result.code == 0
    assert "cross-toml" in result.out
    assert "_imagefab_recipes" in result.out
    program = shutil.which(shell)
    if program is not None:
        (nowhere / "x").write_text(result.out)
        subprocess.run([program, "-n", "x"], cwd=nowhere, check=True)


def test_no_such_shell(imagefab: RunImagefab, nowhere: Path) -> None:
    assert imagefab("completion", "cmd").code == 2
