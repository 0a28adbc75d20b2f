"""`run` and `shell`: a person in an image, with every engine."""

from __future__ import annotations

import os
import pty
import select
import time
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import ENGINES, remove_image
from tests.e2e.support.projects import NAMED, add_recipe, copy_project

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker", "podman")]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_folder_is_there_and_exit_codes_get_through(engine: str, tiny: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    script = 'test "$(id -u)" = "$1" && test -n "$CC_x86_64_unknown_linux_gnu" && pwd >where && exit 7'
    uid = str(os.getuid())
    words = ("run", "--mount", folder, "--engine", engine, "tiny", "--")
    tiny.run(*words, "sh", "-c", script, "sh", uid, code=7)
    assert (folder / "where").read_text() == f"{folder}\n"
    assert (folder / "where").stat().st_uid == os.getuid()
    for name, code in (("KILL", 137), ("TERM", 143), ("ABRT", 134)):
        tiny.run(*words, "perl", "-e", f"kill {name} => $$; sleep 9", code=code)
    assert "nowhere: not found" in tiny.run(*words, "nowhere", code=127).stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_folder_can_be_bound(engine: str, tiny: CommandLine, tmp_path: Path) -> None:
    """To read from, wherever the user has it."""
    home = tmp_path / 'an odd: "place", of one\'s own'
    home.mkdir()
    (home / "file").write_text("from the host")
    script = "cat /opt/bound/file && ! touch /opt/bound/file && test ! -w /opt/bound/file"
    words = ("run", "--engine", engine, "--mount", tmp_path, f"--bind={home}:/opt/bound", "tiny", "--")
    assert tiny.run(*words, "sh", "-euc", script).stdout == "from the host"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_store_in_the_folder_is_hidden(engine: str, tiny: CommandLine, tmp_path: Path) -> None:
    """A program in an image could put layers into it."""
    assert tiny.store.is_relative_to(tmp_path)
    words = ("run", "--engine", engine, "--mount")
    script = 'test -z "$(ls -A "$1")" && ! touch "$1/file" && touch "$1/../beside"'
    tiny.run(*words, tmp_path, "tiny", "--", "sh", "-euc", script, "sh", tiny.store)
    assert (tiny.store.parent / "beside").exists()
    assert not (tiny.store / "file").exists()
    assert "is in the store" in tiny.run(*words, tiny.store / "blobs", "tiny", "--", "true", code=2).stderr


def test_layers_stay_unpacked(tiny: CommandLine, tmp_path: Path) -> None:
    """What the second command runs in is what the first one had: nothing that it wrote, and all that it removed."""
    words = ("run", "--mount", tmp_path, "--engine", "sandbox", "tiny", "--", "sh", "-euc")
    tiny.run(*words, "test -e /etc/passwd && echo more >>/etc/passwd && rm /usr/bin/perl && mkdir /etc/new")
    trees = {path: path.stat().st_ctime_ns for path in (tiny.store / "trees").glob("*/root")}
    assert trees
    tiny.run(*words, "! grep more /etc/passwd && test -x /usr/bin/perl && test ! -e /etc/new")
    assert {path: path.stat().st_ctime_ns for path in (tiny.store / "trees").glob("*/root")} == trees
    assert "freed" in tiny.run("gc").stderr
    assert not list((tiny.store / "trees").iterdir())
    tiny.run(*words, "test -x /usr/bin/perl")


def test_a_folder_whose_owners_cannot_be_translated(tiny: CommandLine, tmp_path: Path) -> None:
    """An overlay's, for root: in the sandbox, nobody has ids of the host's."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = f'mount -t overlay -o {options} none {tmp_path}/merged; exec "$@"'
    words = ("run", "--mount", tmp_path / "merged", "--engine", "sandbox", "tiny", "--", "true")
    failed = tiny.run(*words, code=5, prefix=("unshare", "--mount", "sh", "-euc", script, "sh"))
    assert f"can't mount {tmp_path}/merged: its file system does not support idmapped mounts" in failed.stderr
    assert "hint: mount a folder on a disk" in failed.stderr


@pytest.mark.parametrize(
    "engine", ["sandbox", *(pytest.param(engine, marks=pytest.mark.prove) for engine in ("docker", "podman"))]
)
def test_a_crash_under_an_emulator_is_one(engine: str, warm: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "crash.c").write_text("int main(void) { *(volatile int *)0 = 1; }\n")
    words = ("run", "--mount", tmp_path, "--engine", engine, "aarch64-gnu", "--")
    script = "aarch64-linux-gnu-gcc crash.c -o crash && exec /linux-runner aarch64 ./crash"
    warm.run(*words, "sh", "-c", script, code=139)


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.prove)])
def test_two_projects_do_not_get_in_each_others_way(
    engine: str, tiny: CommandLine, unique: str, tmp_path: Path
) -> None:
    """Their images have one name in the engine, and not one tag."""
    lines, configs = {}, []
    for who in ("this", "that"):
        lines[who] = copy_project(tiny, tmp_path / who)
        add_recipe(lines[who], unique, NAMED.format(name=who, base="debian-trixie"))
        configs.append(lines[who].build(unique)["platforms"]["linux/amd64"]["config"])
    asked = ("run", "--engine", engine, "--mount", tmp_path, unique, "--", "cat", "/opt/name")
    running = {who: [line.start(*asked) for _ in range(3)] for who, line in lines.items()}
    for who, processes in running.items():
        assert {process.communicate()[0] for process in processes} == {who}
    for config in configs:
        remove_image(config, engine)


@pytest.mark.parametrize("engine", ["sandbox", "docker"])
def test_a_shell_is_one_to_work_in(engine: str, tiny: CommandLine, tmp_path: Path) -> None:
    """On a terminal: what is typed runs, Ctrl-C ends a command and not the shell, and its exit code is passed on."""
    child, terminal = pty.fork()
    if child == 0:
        command = tiny.command("shell", "--mount", tmp_path, "--engine", engine, "tiny")
        os.execv(command[0], command)
    seen = wait_for(terminal, b"# ")
    # The program that is to end says itself that it runs: before it has the terminal, bash would have the Ctrl-C.
    os.write(terminal, b"echo $((6 * 7)); sh -c 'echo $CC_x86_64_unknown_linux_gnu; exec sleep 100'\n")
    seen = wait_for(terminal, b"\nx86_64-linux-gnu-gcc\r\n")
    assert b"42\r\n" in seen
    os.write(terminal, b"\x03")
    wait_for(terminal, b"# ")
    os.write(terminal, b"exit 5\n")
    wait_for(terminal, None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def wait_for(terminal: int, what: bytes | None) -> bytes:
    """What the terminal shows, up to something; or up to the end."""
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline and (what is None or what not in seen):
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            chunk = os.read(terminal, 4096) if ready else None
        except OSError:
            break
        if chunk == b"":
            break
        seen += chunk or b""
    if what is not None:
        assert what in seen, seen
    return seen
