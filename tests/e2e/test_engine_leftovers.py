"""What a build, a command or a check that was interrupted or killed leaves in Docker and Podman, and who clears it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import ENDLESS, look_into
from tests.e2e.support.processes import assert_nothing_left, list_processes, wait_until
from tests.e2e.support.projects import add_step, write_recipe
from tests.e2e.support.stores import copy_store

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.looks_at_engines,
    pytest.mark.usefixtures("root", "docker", "podman"),
]


@pytest.fixture
def small(tiny: CommandLine) -> CommandLine:
    """Recipes of one step on a base that the sandbox has built."""
    steps = {"endless": f"exec {ENDLESS}", "first": "true", "beside": "id", "after": "date"}
    for name, script in steps.items():
        write_recipe(tiny.folder, name, add_step(script))
    tiny.run("lock", *steps)
    tiny.run("build", "first", "--engine", "sandbox")
    return tiny


@contextmanager
def endless_build(line: CommandLine, engine: str) -> Iterator[subprocess.Popen[str]]:
    """A build that is at a step which does not end."""
    process = line.start("build", "endless", "--engine", engine, start_new_session=True)
    try:
        wait_until(lambda: list_processes(ENDLESS) or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def choose(*quick: tuple[str, object]) -> list[object]:
    """Each engine's share of all cases; `make prove` has the others."""
    values = dict.fromkeys(value for _, value in quick)
    cases = [(engine, value) for engine in ("docker", "podman") for value in values]
    return [pytest.param(*case, marks=[] if case in quick else [pytest.mark.prove]) for case in cases]


@pytest.mark.parametrize(("engine", "number"), choose(("docker", signal.SIGINT), ("podman", signal.SIGTERM)))
def test_an_interrupted_build_leaves_nothing(engine: str, number: signal.Signals, small: CommandLine) -> None:
    before = look_into(engine)
    with endless_build(small, engine) as process:
        assert look_into(engine) > before
        os.killpg(process.pid, number)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert look_into(engine) <= before
    assert_nothing_left(small.store)


@pytest.mark.parametrize(("engine", "group"), choose(("docker", True), ("podman", False)))
def test_what_a_killed_build_left_is_cleared_by_the_next(
    engine: str, group: bool, small: CommandLine, tmp_path: Path
) -> None:
    """And only then: what a build beside others finds of theirs is not touched while they run."""
    before = look_into(engine)
    with endless_build(small, engine) as process:
        made = look_into(engine)
        assert made > before
        small.run("build", "beside", "--engine", engine)
        assert process.poll() is None
        assert look_into(engine) == made
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
    assert_nothing_left(small.store)
    left = look_into(engine)
    assert left > before, "nothing was left; this test can't show anything"
    assert not list_processes(ENDLESS)
    other = CommandLine(copy_store(small.store, tmp_path / "other"), small.folder)
    built = small.build("after", "--engine", engine)
    assert built["engine"] == engine
    assert look_into(engine) <= before
    assert not list((small.store / "tmp").iterdir())
    assert not list((small.store / "claims").iterdir())
    assert built["digest"] == other.build("after", "--engine", "sandbox")["digest"]


@pytest.mark.parametrize(("engine", "group"), choose(("docker", False), ("podman", True)))
def test_what_a_killed_command_left_is_cleared(engine: str, group: bool, small: CommandLine, tmp_path: Path) -> None:
    """At once by what it is tied to, where that still lives; else by the next. What others run is not touched."""
    words = ("run", "--engine", engine, "--mount", tmp_path, "first", "--")
    small.run(*words, "true")
    before = look_into(engine)
    process = small.start(*words, *ENDLESS.split(), start_new_session=True)
    try:
        wait_until(lambda: list_processes(ENDLESS))
        made = look_into(engine)
        assert made > before
        small.run(*words, "true")
        assert process.poll() is None
        assert look_into(engine) == made
    finally:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
    if not group:
        wait_until(lambda: not list_processes(ENDLESS))
    small.run(*words, "true")
    assert look_into(engine) <= before
    assert not list((small.store / "claims").iterdir())


def test_what_a_killed_check_left_is_cleared_by_the_next(small: CommandLine, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    small.run("build", "first", "--output", layout)
    words = ("run", "--engine", "docker", "--mount", tmp_path, "first", "--", "true")
    small.run(*words)
    before = look_into("docker")
    process = small.start("check", layout)
    wait_until(lambda: any("imagefab-check:" in line for line in look_into("docker")) or process.poll() is not None)
    process.kill()
    process.communicate()
    assert any("imagefab-check:" in line for line in look_into("docker"))
    small.run(*words)
    assert look_into("docker") <= before
    assert not list((small.store / "claims").iterdir())
