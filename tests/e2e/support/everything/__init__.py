"""One small project with everything that a layer can hold, in whose images every program finds the date it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.e2e.support.command_line import CommandLine, list_layers
from tests.e2e.support.projects import add_step, make_project, write_recipe
from tests.e2e.support.stores import find_blob

HERE = Path(__file__).parent
RECIPES = ("first", "second", "third")
"""The later ones change what the first has. What `third` does, only the kernel's own overlays get right."""
DATED = "date -u +%F >/opt/date; perl -e 'print time' >/opt/seconds"

_WRONG_CLOCK = """

[[files]]
path = "/usr/lib/clock.so"
source = "../clock.so"

[[files]]
path = "/etc/ld.so.preload"
content = "/usr/lib/clock.so\\n"
"""


@dataclass(frozen=True)
class Circumstances:
    """What must not be in an image: where and when it is made, and by whom."""

    host: str = "first-host"
    later: timedelta = timedelta()
    umask: int = 0o022
    variables: Mapping[str, str] = field(default_factory=dict)

    def build(self, line: CommandLine, recipe: str, *options: str) -> dict[str, Any]:
        return line.build(recipe, *options, prefix=self.prefix(), env=self.environment(line), umask=self.umask)

    def prefix(self) -> list[str]:
        """The kernel hands the names of a UTS namespace on to whatever runs in it. Engines set the host name only."""
        set_names = (
            f'hostname {self.host}; echo {int(self.later.total_seconds())} >/proc/sys/kernel/domainname; exec "$0" "$@"'
        )
        return ["unshare", "--uts", "sh", "-c", set_names]

    def environment(self, line: CommandLine) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return kept | {"LD_PRELOAD": str(line.folder / "recipes/clock.so")} | dict(self.variables)


def make_everything(folder: Path, store: Path) -> CommandLine:
    """Locked and rendered. Nothing sets this machine's clock: the images have a library that all of their programs
    load, from the first step on, and so has imagefab. It puts the clock forward."""
    project = make_project(folder, {})
    shutil.copytree(HERE / "recipes", project / "recipes", dirs_exist_ok=True)
    write_recipe(project, "dated", add_step(DATED))
    compile_clock = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", f"{project}/recipes/clock.so"]
    subprocess.run([*compile_clock, str(HERE.parent / "clock.c")], check=True)
    with (project / "recipes/bases/debian-trixie.toml").open("a") as base:
        base.write(_WRONG_CLOCK)
    line = CommandLine(store, project)
    line.run("lock")
    line.run("render")
    return line


def list_digests(image: dict[str, Any]) -> list[str]:
    return [layer["digest"] for layer in list_layers(image)]


def explain(one: CommandLine, digests: list[str], other: CommandLine, others: list[str]) -> str:
    """The entries in which the first layers that differ do so."""
    first = next(index for index, pair in enumerate(zip(digests, others, strict=True)) if len(set(pair)) == 2)
    listings = []
    for line, digest in ((one, digests[first]), (other, others[first])):
        command = ["tar", "--list", "-vv", "--full-time", "--gzip", "--file", str(find_blob(line.store, digest))]
        listed = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
        listings.append(set(listed.stdout.splitlines()))
    return "\n".join([f"layer {first}:", *(f"  {entry}" for entry in sorted(listings[0] ^ listings[1]))])
