"""Volatile paths: everything that follows the table treats each path the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from imagefab.recipe.format import FILE_PATH
from imagefab.templates import read_template
from imagefab.volatile import is_volatile

MOUNTED = ["dev/null", "proc/1", "sys/kernel", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", ".dockerenv"]
"""What engines put there, and steps can't remove."""
LEFT_BEHIND = [
    "etc/machine-id",
    "run/lock/y",
    "tmp/x",
    "tmp/.hidden",
    "usr/lib/python3/__pycache__/os.pyc",
    "__pycache__/x",
    "var/cache/apt/archives/partial/x",
    "var/cache/debconf/config.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/lists/partial/x",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/info/x-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/lock",
    "var/log/apt/term.log",
    "var/log/dpkg.log",
    "var/tmp/folder/x",
]
KEPT = [
    "etc/hosts.allow",
    "etc/hosts\n",
    "home/run/x",
    "usr/share/x-old",
    "usr/tmp/x",
    "var/cache/debconf/config.dat",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status",
    "var/lib/x/lock",
    "usr/lib/x__pycache__/x",
]
FOLDERS = ["dev", "proc", "run", "sys", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log", "var/tmp"]


def test_what_is_volatile() -> None:
    assert [path for path in (*MOUNTED, *LEFT_BEHIND) if not is_volatile(path)] == []


def test_what_only_looks_volatile() -> None:
    assert [path for path in (*KEPT, *FOLDERS) if is_volatile(path)] == []


WORDS = st.sampled_from(
    sorted({part for path in [*MOUNTED, *LEFT_BEHIND, *KEPT] for part in path.split("/") if part.isprintable()})
)


@given(st.lists(WORDS, min_size=1, max_size=6).map("/".join))
def test_recipes_may_write_what_stays(path: str) -> None:
    """And no file in the place of a folder that is emptied."""
    assert (FILE_PATH.find_broken(f"/{path}") is None) == (not is_volatile(path) and path not in FOLDERS)


def test_steps_remove_what_is_volatile(tmp_path: Path) -> None:
    """The script, in another root, on a file for every rule."""
    root = str(tmp_path / "root")
    script = re.sub(r"(?<=\s)/", f"{root}/", read_template("imagefab.plan", "tidy.sh", {}))
    assert all(word.startswith(root) for word in script.split() if word.startswith("/"))
    for path in [*LEFT_BEHIND, *KEPT, "run/imagefab/tidy.sh"]:
        file = tmp_path / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    subprocess.run(["sh", "-c", script], check=True)
    left = {str(path.relative_to(root)) for path in Path(root).rglob("*")}
    stays = {path for path in left if not path.startswith("run/imagefab")}
    assert not [path for path in stays if is_volatile(path)]
    assert set(KEPT) <= stays
    assert "run/imagefab/tidy.sh" in left
