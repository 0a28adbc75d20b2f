"""Steps that misbehave: they talk without end, leave processes behind, or want more memory than there is."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagefab.engines.sandbox.memory import list_claims, usable_memory
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.processes import assert_nothing_left
from tests.e2e.support.projects import add_recipe, add_step
from tests.e2e.support.sleepers import Sleepers

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_steps_die_with_the_build(number: signal.Signals, tiny: CommandLine) -> None:
    """Two at a time, each in a thread of its own."""
    sleepers = Sleepers.add_to(tiny)
    with tiny.start("build", *sleepers.recipes, "--jobs", "2") as process:
        sleepers.wait_for(all)
        process.send_signal(number)
    sleepers.wait_for_none()
    assert_nothing_left(tiny.store)


def list_scratch_sizes(store: Path) -> list[int]:
    """How large the scratch spaces in memory may grow that workers have mounted in a store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"imagefab.engines.sandbox.worker" in (folder / "cmdline").read_bytes():
                mounts = (folder / "mountinfo").read_text().splitlines()
                found += [re.search(r"[ ,]size=(\d+)k", line) for line in mounts if f" {store}/tmp/" in line]
        except OSError:
            continue
    return [int(match[1]) << 10 for match in found if match]


@pytest.mark.parametrize("processes", [1, 2])
def test_builds_at_once_share_the_memory(processes: int, tiny: CommandLine) -> None:
    sleepers = Sleepers.add_to(tiny)
    usable = usable_memory()
    with ExitStack() as stack:
        for names in [sleepers.recipes] if processes == 1 else [[name] for name in sleepers.recipes]:
            process = stack.enter_context(tiny.start("build", *names, "--jobs", "2", "--engine", "sandbox"))
            stack.callback(process.kill)
        sleepers.wait_for(all)
        sizes = list_scratch_sizes(tiny.store)
        others = len(list_claims()) - len(sizes)
    # Where other builds have claimed the most, the second of ours may be left to the disk.
    assert len(sizes) == 2 or (len(sizes) == 1 and others > 0)
    # Others come and go meanwhile.
    assert sum(sizes) <= max(usable, usable_memory())


@pytest.fixture
def build(tiny: CommandLine) -> Callable[[str, int], str]:
    """Build an image with that step; what was said."""

    def run(script: str, code: int) -> str:
        add_recipe(tiny, "probe", add_step(script, name="misbehave"))
        # Within a gigabyte, so that nothing can be kept that has no bound.
        bounded = ("prlimit", f"--as={1 << 30}")
        said = tiny.run("build", "probe", "--engine", "sandbox", code=code, prefix=bounded).stderr
        assert_nothing_left(tiny.store)
        assert not list((tiny.store / "tmp").iterdir())
        return said

    return run


@pytest.mark.parametrize(
    "talk",
    ["yes a line of some length | head -c 100000000", "head -c 100000000 /dev/zero | tr '\\0' x"],
    ids=["lines", "one line"],
)
def test_a_step_that_prints_much(talk: str, build: Callable[[str, int], str]) -> None:
    said = build(f"{talk}; echo; echo the last words; exit 7", 5)
    assert "failed with exit code 7" in said
    assert "the last words" in said
    assert len(said) < 100_000


def test_a_step_that_leaves_processes_behind(build: Callable[[str, int], str]) -> None:
    """They hold its output open, ignore signals and have a session of their own; they end with it all the same."""
    began = time.monotonic()
    build("for n in 1 2 3; do (trap '' HUP INT TERM; exec setsid sleep 1000) & done; sleep 1001 & echo started", 0)
    assert time.monotonic() - began < 500


def test_a_step_that_is_killed(build: Callable[[str, int], str]) -> None:
    assert "failed with exit code 137" in build("echo now; sh -c 'kill -KILL $$'", 5)
