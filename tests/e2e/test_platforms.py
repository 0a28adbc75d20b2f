"""Images for another host platform than this machine's: built under emulation, published as one, refused without it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from imagefab.engines.inspect import inspect_emulation
from imagefab.platforms import ARM64, machine_platform
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import remove_image
from tests.e2e.support.projects import copy_project, make_project
from tests.e2e.support.shared import Shared
from tests.e2e.support.stores import copy_store, find_blob
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

ESSENTIAL = """\
description = "what no Debian can do without"

[[archives]]
name = "trixie"
archive = "debian"
suite = "trixie"
"""
RECIPE = """\
description = "an image for both host platforms"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "essential"
runner = "none"
"""


@pytest.fixture(scope="session")
def locked(shared: Shared) -> CommandLine:
    """The recipe `both`, on the smallest base that there can be: emulation is slow."""

    def make(folder: Path) -> None:
        project = make_project(folder / "project", {"both": RECIPE})
        (project / "recipes/bases/essential.toml").write_text(ESSENTIAL)
        line = CommandLine(folder / "store", project)
        line.run("lock")
        line.run("render")

    folder = shared.make_once("both-locked", make)
    return CommandLine(folder / "store", folder / "project")


@pytest.fixture(scope="session")
def built(shared: Shared, locked: CommandLine) -> CommandLine:
    """The same, built for both."""
    finding = inspect_emulation(ARM64)
    require(finding.ok, f"an emulator for arm64: {finding.fix}")

    def make(folder: Path) -> None:
        line = CommandLine(copy_store(locked.store, folder / "store"), locked.folder)
        line.run("build", "both", "--platform", "all", "--engine", "sandbox")

    folder = shared.make_once("both", make)
    return CommandLine(folder / "store", locked.folder)


@pytest.fixture
def both(built: CommandLine, tmp_path: Path) -> CommandLine:
    """The same, to do with as one likes."""
    store = copy_store(built.store, tmp_path / "store")
    return copy_project(CommandLine(store, built.folder), tmp_path / "project")


@pytest.mark.prove
def test_an_index_over_both_platforms(both: CommandLine) -> None:
    index = both.build("both", "--platform", "linux/arm64", "--platform", "linux/amd64")
    assert list(index["platforms"]) == ["linux/amd64", "linux/arm64"]
    again = both.build("both", "--platform", "all")
    assert again["digest"] == index["digest"]
    assert again["digest"] not in [platform["manifest"] for platform in again["platforms"].values()]
    single = both.build("both", "--platform", "linux/arm64")
    assert single["digest"] == index["platforms"]["linux/arm64"]["manifest"]


@pytest.mark.prove
def test_the_arm64_image_is_for_arm64(both: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    both.build("both", "--platform", "all", "--output", folder)
    index = json.loads((folder / "index.json").read_text())
    inner = json.loads(_blob(folder, index["manifests"][0]["digest"]))
    assert [entry["platform"] for entry in inner["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    manifest = json.loads(_blob(folder, inner["manifests"][1]["digest"]))
    config = json.loads(_blob(folder, manifest["config"]["digest"]))
    assert config["architecture"] == "arm64"
    layers = both.build("both", "--platform", "linux/arm64")["platforms"]["linux/arm64"]["layers"]
    (layer,) = [layer for layer in layers if layer["name"] == "base (updated seldom)"]
    shell = ["tar", "--extract", "--gzip", "--to-stdout", "--file", str(find_blob(both.store, layer["digest"]))]
    program = subprocess.run([*shell, "usr/bin/dash"], capture_output=True, check=True).stdout
    assert (program[:4], program[18]) == (b"\x7fELF", 183), "a program for aarch64"


@pytest.mark.prove
@pytest.mark.usefixtures("docker", "podman")
def test_others_pull_what_was_built(both: CommandLine, place: str) -> None:
    """Docker, Podman and skopeo get this machine's image out of the published index, with the id that it has here."""
    command = ("publish", "both", "--to", place, "--platform", "all", "--unchecked")
    reference = both.run(*command).stdout.strip()
    built = both.build("both", "--platform", "all")
    assert reference == f"{place}/both@{built['digest']}"
    config = built["platforms"][machine_platform().name]["config"]
    said = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--config", "--raw", f"docker://{reference}"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f"sha256:{hashlib.sha256(said).hexdigest()}" == config
    for program, *options in (["docker"], ["podman", "--tls-verify=false"]):
        try:
            subprocess.run([program, "pull", "--quiet", *options, reference], check=True, capture_output=True)
            inspect = [program, "image", "inspect", "--format", "{{.Id}}", reference]
            found = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
            assert found.removeprefix("sha256:") == config.removeprefix("sha256:")
        finally:
            remove_image(reference, program)
    # What was published for both stays for both, also where somebody has built only one.
    record = (both.folder / "images/both/published.toml").read_text()
    assert both.run("publish", "both", "--to", place, "--unchecked").stdout.strip() == reference
    assert (both.folder / "images/both/published.toml").read_text() == record


HIDDEN = 'mount -t tmpfs none /proc/sys/fs/binfmt_misc && PATH=/nowhere exec "$0" "$@"'
"""For this process alone no emulator is registered, and no engine is to be found."""


@pytest.mark.parametrize("engine", ["sandbox", "docker", "podman", "auto"])
def test_without_emulation_the_error_names_the_fix(engine: str, locked: CommandLine, tmp_path: Path) -> None:
    """Before anything is fetched, or an engine looked for: here there is none."""
    require(machine_platform() != ARM64, "a machine that is not arm64")
    line = CommandLine(tmp_path / "empty", locked.folder)
    prefix = ("unshare", "--mount", "sh", "-c", HIDDEN)
    failed = line.run("build", "both", "--platform", "all", "--engine", engine, code=5, prefix=prefix)
    assert "can't build images for linux/arm64 here" in failed.stderr
    assert "qemu-user-static" in failed.stderr
    assert not list(line.store.glob("blobs/sha256/*/*"))


def _blob(folder: Path, digest: str) -> bytes:
    return (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
