"""Same lock, same digest, whenever it is built: builds whose every program finds another date.

Nothing sets the machine's clock. The images of this test have a library that all of their programs load (it is in
/etc/ld.so.preload, from the first step on), and that puts the clock forward by as many seconds as the domain name of
the UTS namespace says. The kernel hands that name on from whoever starts imagefab to the steps of a build, and engines
set the host name only. imagefab itself runs with the same library.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, CommandLine, copy_packages

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

WRONG_CLOCK = """

[[files]]
path = "/usr/lib/clock.so"
source = "../clock.so"

[[files]]
path = "/etc/ld.so.preload"
content = "/usr/lib/clock.so\\n"
"""

DATED = """\
description = "the first layer, and a date"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "debian-trixie"
platforms = ["linux/amd64"]
runner = "none"

[[run]]
name = "write the date"
script = '''
date -u +%F >/opt/date
perl -e 'print time' >/opt/seconds
'''
"""

Build = Callable[[str, timedelta, str], str]


@pytest.fixture(scope="module")
def folder(warm: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped recipes of the Arm images, with the library in their first layer; and one with a date in it."""
    folder = tmp_path_factory.mktemp("clock")
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    shutil.copyfile(ROOT / "tests/e2e/clock.c", folder / "clock.c")
    command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", "recipes/clock.so", "clock.c"]
    warm.run("run", "--mount", folder, "aarch64-gnu", "--", *command)
    with (folder / "recipes/bases/debian-trixie.toml").open("a") as base:
        base.write(WRONG_CLOCK)
    (folder / "recipes/dated.toml").write_text(DATED)
    warm.at(folder).run("lock", "aarch64-gnu", "aarch64-musl", "dated")
    return folder


@pytest.fixture
def build(folder: Path, warm: CommandLine, tmp_path: Path) -> Build:
    """Build a recipe in an empty store, that much later than it is; the digest."""

    def run(recipe: str, later: timedelta, engine: str) -> str:
        line = CommandLine(tmp_path / f"{engine}-{later.days}", folder)
        copy_packages(warm, line.store)
        clock = f'echo {int(later.total_seconds())} >/proc/sys/kernel/domainname; exec "$0" "$@"'
        env = {**os.environ, "LD_PRELOAD": str(folder / "recipes/clock.so")}
        words = ("unshare", "--uts", "sh", "-c", clock)
        said = line.run("build", recipe, "--engine", engine, "--no-cache", "--json", prefix=words, env=env)
        (image,) = json.loads(said.stdout)["images"]
        if recipe == "dated":
            now = datetime.now(UTC)
            date, seconds = line.run("run", recipe, "--", "cat", "/opt/date", "/opt/seconds").stdout.splitlines()
            assert abs(int(seconds) - (now + later).timestamp()) < 3600
            assert date[:4] in {str((now + later).year), str((now + later - timedelta(hours=1)).year)}
        shutil.rmtree(line.store)
        return str(image["digest"])

    return run


SOON, LATE = timedelta(days=400), timedelta(days=4000)


def test_the_date_is_not_in_an_image(build: Build) -> None:
    """It has all layers of aarch64-gnu's but the last, and what a compiler made."""
    assert build("aarch64-musl", LATE, "sandbox") == build("aarch64-musl", SOON, "sandbox")


@pytest.mark.usefixtures("podman")
def test_engines_at_different_dates(build: Build) -> None:
    assert build("aarch64-gnu", LATE, "podman") == build("aarch64-gnu", SOON, "sandbox")


@pytest.mark.usefixtures("podman")
@pytest.mark.parametrize("engine", ["sandbox", "podman"])
def test_steps_do_find_that_date(engine: str, build: Build) -> None:
    """Or the tests above would show nothing: where a script writes it down, it tells."""
    assert build("dated", LATE, engine) != build("dated", SOON, engine)
