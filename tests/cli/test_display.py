"""What reaches terminals and logs: nothing that a terminal or a CI service acts on, whoever said it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from tests.cli.conftest import RunImagefab
from tests.engines.fake_engine import FakeEngine

from imagefab.cli import list_
from imagefab.cli.display import LineProgress, LiveProgress, QuietProgress, print_json, write_out
from imagefab.engines.engine import BuildTask
from imagefab.errors import EngineError, Position

NASTY = "\x1b]0;title\x07\x1b[2J\x9b\u202e\n::error::x\n  ::add-mask::y\r::z ##[add-path]/evil"
ACTING = re.compile(r"^\s*::|##\[|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", re.MULTILINE)


def test_errors(imagefab: RunImagefab, small_project: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise EngineError(NASTY, position=Position(f"::{NASTY}"), hint=NASTY)

    monkeypatch.setattr(list_, "run", fail)
    result = imagefab("list")
    assert result.code == 5
    assert not ACTING.search(result.err)
    assert r"\::error::x" in result.err
    painted = imagefab("--color", "always", "list").err
    assert not ACTING.search(re.sub(r"\x1b\[[0-9;]*m", "", painted)), "colours are the program's own"


def test_the_log_of_a_step(
    imagefab: RunImagefab, small_project: object, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(request: BuildTask) -> None:
        request.progress.say(NASTY)
        raise EngineError(f"a step failed\n{NASTY}")

    monkeypatch.setattr(engine, "build", build)
    result = imagefab("build", "aarch64-gnu")
    assert result.code == 5
    assert not ACTING.search(result.err)
    assert result.err.count("#\\#[add-path]/evil") == 2
    assert not ACTING.search(imagefab("build", "aarch64-gnu", "--json").out)


def test_a_bug() -> None:
    """Whatever led to it, its traceback is text, too."""
    script = (
        "import sys; from imagefab.cli import list_, main\n"
        "def fail(*_): raise ZeroDivisionError(sys.argv[1])\n"
        "list_.run = fail; main.main(['list'])"
    )
    done = subprocess.run([sys.executable, "-c", script, NASTY], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert not ACTING.search(done.stderr)


@pytest.mark.parametrize("progress", [LineProgress(verbose=True), QuietProgress()])
def test_progress(progress: LineProgress | QuietProgress, capsys: pytest.CaptureFixture[str]) -> None:
    progress.say(NASTY)
    progress.warn(NASTY)
    progress.start(NASTY).finish(NASTY)
    assert not ACTING.search(capsys.readouterr().err)


def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LiveProgress(color=False)
    progress.say(NASTY)
    progress.warn(":warning: [bold]not markup[/bold]")
    progress.start(NASTY).finish(NASTY)
    progress.close()
    out, err = capsys.readouterr()
    assert not ACTING.search(out + err)
    assert ":warning: [bold]not markup[/bold]" in out + err


def test_data(capsys: pytest.CaptureFixture[str]) -> None:
    write_out(NASTY)
    assert not ACTING.search(capsys.readouterr().out)
    print_json({"said": NASTY})
    out = capsys.readouterr().out
    assert not ACTING.search(out)
    assert json.loads(out) == {"schema": 1, "said": NASTY}
