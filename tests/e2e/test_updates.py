"""What an update changes of an image: the layers of the packages that it replaces, and dpkg's own state."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagefab.lock.file import read_lock
from tests.e2e.support.command_line import ROOT, CommandLine, list_layers
from tests.e2e.support.projects import TINY, make_project
from tests.e2e.support.stores import copy_store

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

SUITES = re.compile(r'\[\[archives\]\]\nname = "trixie-(?:updates|security)"\n(?:.+\n)+\n')
MOST = 0.2
"""Of an image that is nothing but the base. `make bench` replays it for whole ones."""


def test_all_updates_of_a_suite(bootstrapped: CommandLine, tmp_path: Path) -> None:
    line = CommandLine(copy_store(bootstrapped.store, tmp_path / "store"), make_project(tmp_path / "p", {"tiny": TINY}))
    base = line.folder / "recipes/bases/debian-trixie.toml"
    base.write_text(SUITES.sub("", base.read_text()))
    line.run("lock")
    before, packages = line.build("tiny", "--engine", "sandbox"), read_packages(line)
    base.write_bytes((ROOT / "recipes/bases/debian-trixie.toml").read_bytes())
    line.run("lock", "--upgrade")
    after = line.build("tiny", "--engine", "sandbox")
    updated = {name for name, version in read_packages(line).items() if packages[name] != version}
    known = {layer["digest"] for layer in list_layers(before)}
    new = [layer for layer in list_layers(after) if layer["digest"] not in known]
    assert {layer["name"] for layer in new} <= {"base", *find_homes(line, updated)}
    assert sum(layer["size"] for layer in new) < MOST * after["platforms"]["linux/amd64"]["size"]


def read_packages(line: CommandLine) -> dict[str, str]:
    lock = read_lock(line.folder / "images/tiny/imagefab.lock", recipe="tiny")
    return {
        f"{pin.name}:{pin.architecture}": pin.version for layer in lock.platforms[0].layers for pin in layer.packages
    }


def find_homes(line: CommandLine, packages: set[str]) -> set[str]:
    """The layers that the SBOM names."""
    sbom = line.run("sbom", "tiny").stdout
    found = re.findall(r'"name": "([^"]+)",(?:(?!"name":).)*?"comment": "in the layer `([^`]+)`"', sbom, re.DOTALL)
    homes = dict(found)
    return {homes[package.partition(":")[0]] for package in packages}
