"""The sandbox as an ordinary user has it: no root, no daemon, the same digests, and nothing left behind.

The user is made for these tests and has a copy of imagefab in its home: the test's own interpreter and source may lie
where other users can't look.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e import test_odd_files as odd
from tests.e2e import test_steps as steps
from tests.e2e.conftest import ROOT, CommandLine, copy_store
from tests.e2e.test_survival import assert_nothing_left
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "warm_musl")]

RECIPES = ("aarch64-gnu", "aarch64-musl")
PATH = "/usr/local/bin:/usr/bin:/bin"
NEEDED = ("useradd", "userdel", "usermod", "setpriv", "newuidmap", "newgidmap")

ON_DISK = """\
# Scratch space on disk, as where memory is short.
import imagefab.engines.sandbox.engine as engine
from imagefab.cli.main import main

engine._MEMORY_WANTED = 1 << 60
main()
"""


SHORT_OF_MEMORY = """\
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
        return [words[0], "-c", SHORT_OF_MEMORY, *words[3:]]


@dataclass(frozen=True)
class User:
    name: str
    home: Path
    python: str

    def wrap(self, *command: str, path: str = PATH) -> list[str]:
        """A command as that user runs it."""
        prefix = ["setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--init-groups", "--reset-env"]
        variables = [f"PATH={path}", f"PYTHONPATH={self.home}/src:{self.home}/site", "PYTHONDONTWRITEBYTECODE=1"]
        return [*prefix, "env", "-C", str(self.home), *variables, *command]


class UserLine(CommandLine):
    """imagefab as that user runs it."""

    def __init__(self, user: User, store: Path, folder: Path, program: Sequence[str] = ("-m", "imagefab")) -> None:
        super().__init__(store, folder)
        self.user = user
        self.program = program
        self.path = PATH

    def command(self, *arguments: str | Path) -> list[str]:
        options = ["-C", str(self.folder), "--store", str(self.store)]
        return self.user.wrap(self.user.python, *self.program, *options, *map(str, arguments), path=self.path)

    def give(self) -> None:
        """What root laid out is the user's."""
        subprocess.run(["chown", "-R", f"{self.user.name}:", self.user.home], check=True)


def make_user(name: str, *options: str) -> Iterator[User]:
    for program in NEEDED:
        require(shutil.which(program) is not None, program)
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", *options, name], check=True)
    try:
        home = Path(f"~{name}").expanduser()
        user = User(name, home, find_python(User(name, home, "")))
        leave_out = shutil.ignore_patterns("__pycache__", "mypy*", "ruff*", "hadolint*", "shellcheck*", "pip*")
        shutil.copytree(ROOT / "src", home / "src", ignore=leave_out)
        shutil.copytree(sysconfig.get_path("purelib"), home / "site", ignore=leave_out)
        (home / "on_disk.py").write_text(ON_DISK)
        yield user
    finally:
        remove_user(name)


def remove_user(name: str) -> None:
    """Podman keeps a process for every user that has used it, and a folder."""
    number = pwd.getpwnam(name).pw_uid
    for _ in range(100):
        found = subprocess.run(["pkill", "--signal", "KILL", "--uid", name], check=False).returncode
        if found != 0:
            break
        time.sleep(0.1)
    subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)
    for folder in ("podman-run", "containers-user", "storage-run"):
        shutil.rmtree(f"/tmp/{folder}-{number}", ignore_errors=True)


def find_python(user: User) -> str:
    """An interpreter of this version that the user can run: what site-packages has was compiled for it."""
    version = sys.version_info[:2]
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3", f"/usr/bin/python{version[0]}.{version[1]}"):
        asked = user.wrap(python, "-c", "import sys; print(*sys.version_info[:2])")
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.split() == [str(part) for part in version]:
            return python
    require(False, f"a Python {version[0]}.{version[1]} that every user can run")
    raise AssertionError


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    from imagefab.engines.sandbox.ids import LISTINGS, propose_range

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


def make_line(user: User, warm: CommandLine, *program: str) -> UserLine:
    """A store with the packages and nothing built, and a project, both the user's."""
    folder = user.home / "work"
    shutil.rmtree(folder, ignore_errors=True)
    line = UserLine(user, folder / "store", folder / "project", program or ("-m", "imagefab"))
    shutil.copytree(warm.folder, line.folder)
    for lock in warm.folder.glob("images/*/imagefab.lock"):
        for hexadecimal in re.findall(r'sha256 = "(\w{64})"', lock.read_text()):
            blob = warm.store / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal
            target = line.store / blob.relative_to(warm.store)
            if blob.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(blob, target)
    line.give()
    return line


def expected(warm: CommandLine) -> list[str]:
    images: list[dict[str, str]] = warm.json("build", *RECIPES)["images"]
    return [image["digest"] for image in images]


def assert_tidy(line: UserLine) -> None:
    assert_nothing_left(line.store)
    assert not list((line.store / "tmp").iterdir())
    # What is left is the user's own, to keep or to remove.
    assert not list_strangers(line)


def list_strangers(line: UserLine) -> list[str]:
    """Files in the store that belong to subordinate ids."""
    name = line.user.name
    command = ["find", str(line.store), "!", "-user", name, "-o", "!", "-group", name]
    # What is removed meanwhile is an error to find, and none here.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_the_same_digests_as_roots(user: User, warm: CommandLine) -> None:
    line = make_line(user, warm)
    found = line.json("build", *RECIPES, "--engine", "sandbox")
    assert [image["digest"] for image in found["images"]] == expected(warm)
    assert {image["engine"] for image in found["images"]} == {"sandbox"}
    assert_tidy(line)
    source = line.folder / "hello.c"
    source.write_text("int main(void) { return 0; }\n")
    line.give()
    build = 'test "$(id -u)" = 0 && touch /etc/anything && "$CC_aarch64_unknown_linux_musl" hello.c -o hello && ./hello'
    line.run("run", "aarch64-musl", "--", "sh", "-euc", build)
    assert (line.folder / "hello").owner() == user.name
    assert_tidy(line)


@pytest.fixture(scope="module")
def odd_line(warm: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A project of odd files, built by root in memory."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "project/recipes").mkdir(parents=True)
    shutil.copytree(ROOT / "recipes/bases", folder / "project/recipes/bases")
    (folder / "project/recipes/bases/odd.toml").write_text(odd.BASE)
    for name, text in (("second", odd.SECOND), ("third", odd.THIRD)):
        (folder / "project/recipes" / f"{name}.toml").write_text(text)
    line = CommandLine(copy_store(warm.store, folder / "store"), folder / "project")
    line.run("lock")
    line.run("build", "--all")
    return line


def test_on_disk(user: User, odd_line: CommandLine) -> None:
    """What an ordinary user may make in a namespace, on a real disk, is what root makes."""
    line = make_line(user, odd_line, str(user.home / "on_disk.py"))
    for recipe in ("second", "third"):
        built = line.build(recipe, "--engine", "sandbox")
        assert built["digest"] == odd_line.build(recipe)["digest"]
        assert built["engine"] == "sandbox"
    assert_tidy(line)


def test_where_memory_gets_full_the_build_goes_on_on_disk(odd_line: CommandLine, tmp_path: Path) -> None:
    # Characters that mean something in the options of a mount.
    line = ShortLine(copy_store(odd_line.store, tmp_path / "a:b,c"), odd_line.folder)
    built = line.run("build", "second", "--no-cache", "--json")
    assert "the 120 MB of memory for the build's folders are full; going on on disk" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == odd_line.build("second")["digest"]
    assert not list((line.store / "tmp").iterdir())


def test_where_the_disk_takes_no_overlays_the_build_goes_on_in_more_memory(
    odd_line: CommandLine, tmp_path: Path
) -> None:
    """An overlay is such a disk; in containers, stores are often on one."""
    for name in ("upper", "work", "store"):
        (tmp_path / name).mkdir()
    store = tmp_path / "store"
    options = f"lowerdir={odd_line.store},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", store], check=True)
    try:
        built = ShortLine(store, odd_line.folder).run("build", "second", "--no-cache", "--json")
    finally:
        subprocess.run(["umount", "--lazy", store], check=True)
    assert "the 120 MB of memory for the build's folders are full; going on on disk" in built.stderr
    assert "going on in memory alone" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == odd_line.build("second")["digest"]


def wait_for_strangers(line: UserLine) -> None:
    deadline = time.monotonic() + 60
    while not list_strangers(line):
        assert time.monotonic() < deadline, "scratch space was not on disk"
        time.sleep(0.2)


def test_killed(user: User, odd_line: CommandLine) -> None:
    """Files of subordinate ids stay behind, which the user can't remove; the next run can."""
    line = make_line(user, odd_line, str(user.home / "on_disk.py"))
    again = UserLine(user, line.store, line.folder)
    steps.write_sleepers(line.folder / "recipes")
    line.give()
    line.run("lock")
    sleepers = [f"sleep-{seconds}" for seconds in steps.SECONDS]
    with line.start("build", *sleepers, "--jobs", "2", "--engine", "sandbox") as process:
        steps.wait_for_sleepers(steps.SECONDS, 120)
        process.kill()
    steps.wait_for_sleepers((), 5)
    assert_nothing_left(line.store)
    assert list_strangers(line)
    assert again.build("second", "--engine", "sandbox")["digest"] == odd_line.build("second")["digest"]
    assert_tidy(again)


def test_interrupted(user: User, warm: CommandLine) -> None:
    line = make_line(user, warm, str(user.home / "on_disk.py"))
    with line.start("build", *RECIPES, "--jobs", "2", "--engine", "sandbox", start_new_session=True) as process:
        wait_for_strangers(line)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert_tidy(line)


def test_doctor(user: User, warm: CommandLine) -> None:
    found = make_line(user, warm).json("doctor")["groups"]["sandbox"]
    assert len(found) == 4
    assert all(finding["ok"] for finding in found), found


def test_without_subordinate_ids(plain_user: User, warm: CommandLine) -> None:
    line = make_line(plain_user, warm)
    failed = line.run("build", "aarch64-gnu", "--engine", "sandbox", code=5)
    doctor = line.run("doctor").stdout
    for listing, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        assert listing in failed.stderr
        assert f"usermod {option}" in failed.stderr
        assert f"MISS subordinate ids in {listing}: none for {plain_user.name}" in doctor
        assert f"usermod {option}" in doctor


def test_podman_is_tried_as_the_user_that_has_it(user: User, plain_user: User, warm: CommandLine) -> None:
    """Without subordinate ids it runs steps, but none that needs another user than root, as packages do."""
    require(shutil.which("podman") is not None, "podman")
    found = make_line(user, warm).json("doctor")["groups"]["podman"]
    assert all(finding["ok"] for finding in found), found
    assert found[-1] == {"what": "a build", "ok": True, "detail": "works", "fix": ""}
    lacking = [
        finding for finding in make_line(plain_user, warm).json("doctor")["groups"]["podman"] if not finding["ok"]
    ]
    assert [finding["what"] for finding in lacking] == [f"subordinate ids in /etc/sub{kind}id" for kind in "ug"]
    assert all("usermod" in finding["fix"] for finding in lacking)


def test_without_newuidmap(user: User, warm: CommandLine) -> None:
    line = make_line(user, warm)
    tools = line.folder / "tools"
    tools.mkdir()
    for name in ("env", "sh", "apt-get"):
        (tools / name).symlink_to(shutil.which(name) or "/nonexistent")
    line.path = str(tools)
    failed = line.run("build", "aarch64-gnu", "--engine", "sandbox", code=5)
    assert "newuidmap and newgidmap not found" in failed.stderr
    assert "apt-get install -y uidmap" in failed.stderr
    assert "MISS newuidmap and newgidmap" in line.run("doctor").stdout
