"""How much of the machine a step may have, and that what it leaves does not spoil the store."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.processes import assert_nothing_left
from tests.e2e.support.projects import add_recipe, add_step
from tests.e2e.support.users import ON_DISK

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

FORKS = "n=0; while [ $n -lt 1500 ]; do sleep 300 & n=$((n + 1)); done; wait"
OF_MANY_USERS = (
    "perl -e 'for my $user (1..40) { if (!fork) { $> = $< = 1000 + $user; fork for 1..6; sleep 300 } } wait'"
)
EXCESSES = {
    "processes": ("processes = 100", FORKS, "100 processes at once"),
    "processes of many users": ("processes = 100", OF_MANY_USERS, "100 processes at once"),
    "memory": ("memory = 200", "perl -e '$x = \"x\" x (900 << 20); sleep 300'", "200 MB of memory"),
    "memory in parts": (
        "memory = 200",
        "for n in 1 2 3 4; do perl -e '$x = \"x\" x (90 << 20); sleep 300' & done; wait",
        "200 MB of memory",
    ),
    "one file": ("disk = 50", "head -c 200000000 /dev/zero >/opt/large", "50 MB of disk"),
    "many files": (
        "disk = 50",
        "n=0; while [ $n -lt 9 ]; do head -c 20000000 /dev/zero >/opt/$n; n=$((n + 1)); done; sleep 300",
        "50 MB of disk",
    ),
    "time": ("time = 3", "sleep 300", "3 seconds"),
}


def limit(line: CommandLine, setting: str) -> None:
    (line.folder / "imagefab.toml").write_text(f"[limits]\n{setting}\n")


@pytest.mark.parametrize("kind", EXCESSES)
def test_a_step_that_goes_over_a_limit(kind: str, tiny: CommandLine) -> None:
    setting, script, said = EXCESSES[kind]
    add_recipe(tiny, "probe", add_step(script))
    limit(tiny, setting)
    began = time.monotonic()
    failed = tiny.run("build", "probe", "--engine", "sandbox", code=5)
    assert f"error: probe (linux/amd64): a step of layer `extras` went over its limit of {said}\n" in failed.stderr
    assert f"`{setting.split()[0]}` under [limits] in imagefab.toml" in failed.stderr
    assert time.monotonic() - began < 200
    assert_nothing_left(tiny.store)
    assert not list((tiny.store / "tmp").iterdir())


@pytest.mark.parametrize("kind", ["processes", "memory", "many files"])
def test_a_command_that_goes_over_a_limit(kind: str, tiny: CommandLine, tmp_path: Path) -> None:
    setting, script, said = EXCESSES[kind]
    limit(tiny, setting)
    words = ("run", "--engine", "sandbox", "--mount", tmp_path, "tiny", "--", "sh", "-c", script)
    failed = tiny.run(*words, code=5)
    assert f"error: the command went over its limit of {said}\n" in failed.stderr


def test_a_bad_limit_has_its_place(tiny: CommandLine) -> None:
    limit(tiny, "processes = 0")
    assert "imagefab.toml:2:" in tiny.run("build", "tiny", code=3).stderr


# -- what is left ------------------------------------------------------------------------------------------------------

DEEP = """\
perl -e '
    mkdir "/opt/deep"; chdir "/opt/deep";
    for my $n (1..3000) { my $name = "x" x 255; mkdir $name or die; chdir $name or die }
    mkdir "closed"; mkdir "closed/within"; chmod 0, "closed"; chmod 0, ".";
'
"""


class DiskLine(CommandLine):
    """imagefab with its scratch space on disk, as where memory is short. In memory, nothing outlives its process."""

    def command(self, *arguments: str | Path) -> list[str]:
        words = super().command(*arguments)
        return [words[0], "-c", ON_DISK, *words[3:]]


@pytest.mark.parametrize("end", ["exit 7", "true"])
def test_folders_deeper_than_any_path(end: str, tiny: CommandLine) -> None:
    """In a step that fails, and in a layer, which can't hold them."""
    line = DiskLine(tiny.store, tiny.folder)
    add_recipe(line, "probe", add_step(f"{DEEP}{end}"))
    said = line.run("build", "probe", "--engine", "sandbox", code=5).stderr
    assert ("exit code 7" if end == "exit 7" else "a path that is too long to be in a layer") in said
    assert not list((line.store / "tmp").iterdir())


def test_a_build_folder_that_cannot_be_removed_is_a_warning(tiny: CommandLine, tmp_path: Path) -> None:
    busy = tiny.store / "tmp/run-abandoned/build-1/busy"
    busy.mkdir(parents=True)
    prefix = ("unshare", "--mount", "sh", "-euc", 'mount -t tmpfs none "$1"; shift; exec "$@"', "sh", str(busy))
    words = ("run", "--engine", "sandbox", "--mount", tmp_path, "tiny", "--", "true")
    assert "warning: can't remove " in tiny.run(*words, prefix=prefix).stderr
    assert busy.exists()
    assert "warning" not in tiny.run(*words).stderr
    assert not busy.exists()
