"""Ctrl-C, whenever it comes: one line, exit code 130, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = [sys.executable, "-m", "imagefab"]
COMMAND = [str(Path(sys.executable).with_name("imagefab"))]

INTERRUPTS = '''
"""Every Python that finds this module interrupts itself when it comes to a certain one."""
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["AT"]:
            sys.meta_path.remove(self)
            {how}

def stumble():
    class Last:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)
            [*range(10)]
    Last()

sys.meta_path.insert(0, Finder())
'''
PLAINLY = "signal.raise_signal(signal.SIGINT)"


def run(tmp_path: Path, words: list[str], at: str, how: str = PLAINLY) -> subprocess.CompletedProcess[str]:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTS.format(how=how))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "AT": at}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)


@pytest.mark.parametrize("words", [MODULE, COMMAND], ids=["module", "command"])
@pytest.mark.parametrize("at", ["imagefab.cli.main", "argparse", "imagefab.cli.surroundings", "imagefab.cli.list_"])
def test_while_the_program_is_imported(small_project: Path, tmp_path: Path, words: list[str], at: str) -> None:
    result = run(tmp_path, [*words, "list"], at)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("at", ["imagefab.cli.display", "imagefab.recipe.loader", "imagefab.flows.describe"])
def test_while_a_verb_is_imported(small_project: Path, tmp_path: Path, at: str) -> None:
    result = run(tmp_path, [*COMMAND, "list"], at)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_where_python_cannot_raise(small_project: Path, tmp_path: Path) -> None:
    """In what ends an object, it would print a traceback and go on."""
    result = run(tmp_path, [*COMMAND, "list"], "imagefab.flows.describe", "stumble(); import time; time.sleep(5)")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


def test_at_the_end(small_project: Path, tmp_path: Path) -> None:
    """When all is said, and the interpreter puts its things away."""
    script = (
        "import atexit, signal, sys; from imagefab.__main__ import main\n"
        "atexit.register(lambda: [signal.raise_signal(signal.SIGINT), *range(10)])\n"
        "sys.argv = ['imagefab', '--version']; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (130, "interrupted\n")
    assert result.stdout.startswith("imagefab ")


def test_who_is_started_in_the_background_is_not_interrupted(small_project: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = run(tmp_path, [*COMMAND, "list"], "imagefab.flows.describe")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (result.returncode, result.stderr) == (0, "")
    assert "aarch64-gnu" in result.stdout
