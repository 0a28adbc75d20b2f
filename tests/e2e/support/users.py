"""Ordinary users, made for a test, and imagefab as they run it.

Each has a copy of imagefab in its home: the test's own interpreter and source may lie where other users can't look.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.support.command_line import ROOT, CommandLine
from tests.e2e.support.stores import list_packages
from tests.machine import require

_PATH = "/usr/local/bin:/usr/bin:/bin"
_NEEDED = ("useradd", "userdel", "usermod", "setpriv", "newuidmap", "newgidmap")

ON_DISK = """\
# Scratch space on disk, as where memory is short.
import imagefab.engines.sandbox.engine as engine
from imagefab.cli.main import main

engine._MEMORY_WANTED = 1 << 60
main()
"""


@dataclass(frozen=True)
class User:
    name: str
    home: Path
    python: str

    def wrap(self, *command: str, path: str = _PATH) -> list[str]:
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
        self.path = _PATH

    def command(self, *arguments: str | Path) -> list[str]:
        options = ["-C", str(self.folder), "--store", str(self.store)]
        return self.user.wrap(self.user.python, *self.program, *options, *map(str, arguments), path=self.path)

    def give(self) -> None:
        """What root laid out is the user's."""
        subprocess.run(["chown", "-R", f"{self.user.name}:", self.user.home], check=True)


def make_user(name: str, *options: str) -> Iterator[User]:
    for program in _NEEDED:
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


def make_line(user: User, line: CommandLine, *recipes: str, on_disk: bool = False) -> UserLine:
    """A store with the packages and nothing built, and a project, both the user's."""
    folder = user.home / "work"
    shutil.rmtree(folder, ignore_errors=True)
    program = (str(user.home / "on_disk.py"),) if on_disk else ("-m", "imagefab")
    made = UserLine(user, folder / "store", folder / "project", program)
    shutil.copytree(line.folder, made.folder)
    for blob in list_packages(line, *recipes):
        target = made.store / blob.relative_to(line.store)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(blob, target)
    made.give()
    return made


def list_strangers(line: UserLine) -> list[str]:
    """Files in the store that belong to subordinate ids."""
    name = line.user.name
    command = ["find", str(line.store), "!", "-user", name, "-o", "!", "-group", name]
    # What is removed meanwhile is an error to find, and none here.
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
