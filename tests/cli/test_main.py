"""The program as scripts see it: exit codes, streams and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RunImagefab

from imagefab import __version__
from imagefab.cli import list_
from imagefab.cli.main import make_parser
from imagefab.errors import RecipeError, SeveralErrors, UsageError
from imagefab.fetch.fetcher import Fetcher
from imagefab.http import SLOWEST

PROGRAM = [sys.executable, "-m", "imagefab"]


def list_imported(*arguments: str) -> set[str]:
    """The modules that a process imports which runs a command."""
    program = (
        "import sys\n"
        "from imagefab.cli.main import run_main\n"
        "try:\n    run_main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


def list_verbs() -> list[str]:
    text = make_parser().format_help()
    return re.findall(r"^    ([a-z-]+) ", text.partition("verbs:")[2], re.MULTILINE)


# -- help and bad arguments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "verbs"),
    [(["--version"], set()), (["-C", "build", "list", "--help"], {"list_"}), (["-q", "gc", "--help"], {"gc"})],
    ids=" ".join,
)
def test_a_run_imports_what_it_uses(arguments: list[str], verbs: set[str]) -> None:
    """Starting is most of the time of many runs."""
    modules = list_imported(*arguments)
    found = {name.removeprefix("imagefab.cli.") for name in modules if name.startswith("imagefab.cli.")}
    assert found - {"main", "display", "arguments", "surroundings"} == verbs
    assert not {"imagefab.recipe.model", "imagefab.toml.grammar", "imagefab.flows.workspace"} & modules


def test_help(imagefab: RunImagefab) -> None:
    result = imagefab("--help")
    assert (result.code, result.err) == (0, "")
    assert {"list", "show", "lock", "render", "build", "run", "doctor", "gc"} <= set(list_verbs())


def test_help_of_verbs(imagefab: RunImagefab, subtests: pytest.Subtests) -> None:
    for verb in list_verbs():
        with subtests.test(verb):
            result = imagefab(verb, "--help")
            assert (result.code, result.err) == (0, "")
            assert "--store" in result.out


def test_version(imagefab: RunImagefab) -> None:
    assert imagefab("--version").out == f"imagefab {__version__}\n"


BAD_ARGUMENTS = [
    [],
    ["bild"],
    ["--bogus"],
    ["list", "--bogus"],
    ["build"],
    ["build", "--all", "aarch64-gnu"],
    ["build", "aarch64-gnu", "--engine", "make"],
    ["build", "aarch64-gnu", "--platform", "linux/sparc"],
    ["show"],
    ["lis"],
    ["-C", "/nowhere/at/all", "list"],
    ["show", "aarch64-gnu", "extra"],
]


def test_bad_arguments(imagefab: RunImagefab, small_project: Path, subtests: pytest.Subtests) -> None:
    for arguments in BAD_ARGUMENTS:
        with subtests.test(" ".join(arguments)):
            result = imagefab(*arguments)
            assert (result.code, result.out) == (2, "")
            assert result.err.startswith("error: ")


def test_unknown_recipes(imagefab: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    for verb in (["show"], ["build"], ["lock"], ["lock", "--check"], ["render"], ["run"], ["context"]):
        with subtests.test(" ".join(verb)):
            more = {"run": ["--", "true"], "context": ["out"]}.get(verb[0], [])
            result = imagefab(*verb, "aarch64-gnuu", *more)
            assert (result.code, result.out) == (2, "")
            assert result.err == "error: no recipe `aarch64-gnuu`\n\nhint: did you mean `aarch64-gnu`?\n"


def test_global_options_before_and_after_the_verb(imagefab: RunImagefab, project: Path, nowhere: Path) -> None:
    (project / "recipes" / "private.toml").write_text((project / "recipes" / "aarch64-gnu.toml").read_text())
    verb = ("matrix", "--format", "names")
    assert "private" not in imagefab(*verb).out
    assert "private" in imagefab("-C", str(project), *verb).out
    assert "private" in imagefab(*verb, "-C", str(project)).out


def test_the_slowest_rate(imagefab: RunImagefab, small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def remember(self: Fetcher, **options: Any) -> None:
        seen.append(options["patience"].slowest)
        make(self, **options)

    make = Fetcher.__init__
    monkeypatch.setattr(Fetcher, "__init__", remember)
    for text in ("2048", "0", ""):
        monkeypatch.setenv("IMAGEFAB_LOW_SPEED_LIMIT", text)
        assert imagefab("lock").code == 0
    assert seen == [2048, 0, SLOWEST]
    for text in ("fast", "-1", "1e3", "²"):
        monkeypatch.setenv("IMAGEFAB_LOW_SPEED_LIMIT", text)
        result = imagefab("lock")
        assert result.code == 2
        assert "IMAGEFAB_LOW_SPEED_LIMIT" in result.err


def test_a_working_folder_that_is_gone(small_project: Path) -> None:
    words = " ".join(["exec", *PROGRAM])
    missing = "error: the working folder no longer exists"
    for command, code, said in (("list", 2, missing), (f"-C {small_project} list", 0, "")):
        script = f"mkdir gone && cd gone && rmdir ../gone && {words} {command}"
        result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        assert result.returncode == code, result.stderr
        assert result.stderr.startswith(said)


def test_all_of_several_errors_are_reported(imagefab: RunImagefab, project: Path) -> None:
    for name in ("aarch64-gnu", "x86_64-gnu"):
        (project / "images" / name / "imagefab.lock").unlink()
    result = imagefab("render", "--check")
    assert result.code == 4
    assert result.err.count("error: ") == 2


def test_bad_recipes_are_reported_with_their_position(imagefab: RunImagefab, project: Path) -> None:
    path = project / "recipes" / "aarch64-gnu.toml"
    path.write_text(path.read_text().replace("kind =", "kid ="))
    result = imagefab("list")
    assert (result.code, result.out) == (3, "")
    assert re.search(r"^recipes/aarch64-gnu\.toml:4:1: error: ", result.err, re.MULTILINE)


# -- exits ------------------------------------------------------------------------------------------------------------


def test_bugs_are_not_hidden(imagefab: RunImagefab, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(list_, "run", fail)
    with pytest.raises(ZeroDivisionError):
        imagefab("list")


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141), (SeveralErrors([RecipeError("x"), UsageError("y")]), 3)],
)
def test_exit_codes_of_interrupts_and_errors(
    imagefab: RunImagefab, nowhere: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(list_, "run", fail)
    monkeypatch.setattr("os.dup2", lambda *_: None)
    assert imagefab("list").code == code


def test_a_termination_is_an_interrupt(imagefab: RunImagefab, nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def be_ended(*_: object) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("still here")

    monkeypatch.setattr(list_, "run", be_ended)
    result = imagefab("list")
    assert (result.code, result.err) == (130, "interrupted\n")


# -- streams, in processes of their own -------------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(small_project: Path, redirection: str) -> None:
    command = f'"$0" -m imagefab list {redirection}'
    result = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_reader_that_closes_the_pipe(small_project: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        result = subprocess.run([*PROGRAM, "list"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert (result.returncode, result.stderr) == (141, "")


def test_errors_with_standard_error_closed(nowhere: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", '"$0" -m imagefab bogus 2>&-', sys.executable], capture_output=True, check=False
    )
    assert (result.returncode, result.stdout) == (2, b"")


# -- colours ----------------------------------------------------------------------------------------------------------


def run_on_terminal(*arguments: str, **env: str) -> str:
    """What the program writes to a terminal."""
    import pty

    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            [*PROGRAM, *arguments], stderr=theirs, stdout=subprocess.PIPE, env={**os.environ, **env}, check=False
        )
        return os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)


def test_colours_are_for_terminals(imagefab: RunImagefab, nowhere: Path) -> None:
    assert "\033" not in imagefab("show", "bogus").err
    assert "\033" in imagefab("--color", "always", "show", "bogus").err
    term = {"TERM": "xterm"}
    assert "\033" in run_on_terminal("show", "bogus", **term)
    assert "\033" in run_on_terminal("show", "bogus", **term, NO_COLOR="")
    assert "\033" not in run_on_terminal("show", "bogus", **term, NO_COLOR="1")
    assert "\033" not in run_on_terminal("show", "bogus", "--color", "never", **term)
    assert "\033" not in run_on_terminal("show", "bogus", TERM="dumb")
