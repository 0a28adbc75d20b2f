"""Images for another host platform than this machine's, and what real apt says inside every image that can be built."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.engines.build import find_layers
from imagefab.engines.engine import Command
from imagefab.engines.inspect import inspect_emulation
from imagefab.engines.sandbox.engine import run_in_sandbox
from imagefab.factory import Prepared, design_blueprints, prepare_recipe
from imagefab.oci.store import Store
from imagefab.plan.model import Plan
from imagefab.platforms import ARM64, machine_platform
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.sources.debian.archive import ArchiveReader
from imagefab.sources.fetch import Fetcher
from imagefab.sources.mirrors import find_mirrors
from imagefab.toolchains.blueprint import IMAGE_PATH
from imagefab.toolchains.design import RULES
from tests.e2e.support.apt import Oracle, make_command, read_answer
from tests.e2e.conftest import ROOT, CommandLine
from tests.machine import require
from tests.shipped_sample import BOTH_PLATFORMS

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

PLATFORMS = {recipe.name: recipe.platforms for recipe in load_recipes(open_project(ROOT), RULES, BOTH_PLATFORMS)}


@pytest.fixture(scope="module")
def emulation() -> None:
    finding = inspect_emulation(ARM64)
    require(finding.ok, f"an emulator for arm64: {finding.fix}")


@pytest.fixture(scope="module")
def everything(warm: CommandLine, emulation: None) -> CommandLine:
    """Some recipes built for both."""
    warm.run("build", *BOTH_PLATFORMS, "--platform", "all")
    return warm


def test_an_index_over_both_platforms(everything: CommandLine) -> None:
    both = everything.build("aarch64-gnu", "--platform", "linux/arm64", "--platform", "linux/amd64")
    assert list(both["platforms"]) == ["linux/amd64", "linux/arm64"]
    again = everything.build("aarch64-gnu", "--platform", "all")
    assert again["digest"] == both["digest"]
    assert again["digest"] not in [platform["manifest"] for platform in again["platforms"].values()]
    single = everything.build("aarch64-gnu", "--platform", "linux/arm64")
    assert single["digest"] == both["platforms"]["linux/arm64"]["manifest"]


def test_arm64_image_is_arm64(everything: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    everything.build("aarch64-gnu", "--platform", "all", "--output", folder)
    index = json.loads((folder / "index.json").read_text())
    inner = json.loads(_blob(folder, index["manifests"][0]["digest"]))
    assert [entry["platform"] for entry in inner["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux"},
    ]
    manifest = json.loads(_blob(folder, inner["manifests"][1]["digest"]))
    config = json.loads(_blob(folder, manifest["config"]["digest"]))
    assert config["architecture"] == "arm64"
    (plan,) = _prepare(everything, "aarch64-gnu").choose(["linux/arm64"])
    script = "gcc -dumpmachine; dpkg --print-architecture; aarch64-linux-gnu-gcc -dumpmachine"
    said = _run(everything, plan, ["sh", "-c", script], tmp_path)
    assert said.split() == ["aarch64-linux-gnu", "arm64", "aarch64-linux-gnu"]


@pytest.mark.usefixtures("docker", "podman")
def test_others_pull_what_was_built(everything: CommandLine, registry: str, tmp_path: Path) -> None:
    """Docker, Podman and skopeo get this machine's image out of the published index, with the id that it has here."""
    line = everything.at(Path(shutil.copytree(everything.folder, tmp_path / "project")))
    command = ("publish", "aarch64-gnu", "--to", f"{registry}/platforms", "--platform", "all", "--unchecked")
    reference = line.run(*command).stdout.strip()
    built = line.build("aarch64-gnu", "--platform", "all")
    assert reference == f"{registry}/platforms/aarch64-gnu@{built['digest']}"
    config = built["platforms"][machine_platform().name]["config"]
    told = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--config", "--raw", f"docker://{reference}"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert f"sha256:{hashlib.sha256(told).hexdigest()}" == config
    for program, *options in (["docker"], ["podman", "--tls-verify=false"]):
        try:
            subprocess.run([program, "pull", "--quiet", *options, reference], check=True, capture_output=True)
            inspect = [program, "image", "inspect", "--format", "{{.Id}}", reference]
            found = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
            assert found.removeprefix("sha256:") == config.removeprefix("sha256:")
        finally:
            subprocess.run([program, "rmi", "--force", reference], capture_output=True, check=False)
    # What was published for both stays for both, also where somebody has built only one.
    record = (line.folder / "images/aarch64-gnu/published.toml").read_text()
    assert (
        line.run("publish", "aarch64-gnu", "--to", f"{registry}/platforms", "--unchecked").stdout.strip() == reference
    )
    assert (line.folder / "images/aarch64-gnu/published.toml").read_text() == record


@pytest.fixture
def no_emulation(emulation: None) -> Iterator[None]:
    require(machine_platform() != ARM64, "a machine that is not arm64")
    switch = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64")
    switch.write_text("0")
    try:
        yield
    finally:
        switch.write_text("1")


@pytest.mark.usefixtures("no_emulation")
@pytest.mark.parametrize("engine", ["sandbox", "docker", "podman", "auto"])
def test_without_emulation_the_error_names_the_fix(engine: str, empty: CommandLine) -> None:
    """Before anything is fetched, or an engine looked for: here there is none."""
    arguments = ("build", "aarch64-gnu", "--platform", "all", "--engine", engine)
    failed = empty.run(*arguments, code=5, env={"PATH": "/nowhere"})
    assert "can't build images for linux/arm64 here" in failed.stderr
    assert "qemu-user-static" in failed.stderr
    assert not list(empty.store.glob("blobs/sha256/*/*"))


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    folder = tmp_path_factory.mktemp("oracle")
    store = Store(folder / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        yield Oracle(folder / "apt", fetcher, ArchiveReader(fetcher, now=datetime.now(UTC)))
    store.close()


@pytest.mark.parametrize(("name", "platform"), [(name, platform) for name in PLATFORMS for platform in PLATFORMS[name]])
def test_apt_inside_the_image_chooses_the_same(
    name: str, platform: str, everything: CommandLine, oracle: Oracle, tmp_path: Path
) -> None:
    """For every layer: the image's own apt, on the layers below, with the same indexes, asked for the same."""
    prepared = _prepare(everything, name)
    (plan,) = prepared.choose([platform])
    pinned = next(pins for pins in prepared.lock.platforms if pins.platform == platform)
    blueprint = next(b for b in design_blueprints(prepared.recipe) if b.platform.name == platform)
    foreign = {word.partition(":")[2] for layer in blueprint.layers for word in layer.packages} - {""}
    universe = oracle.reader.open_universe(blueprint.archives, (plan.platform.debian_arch, *sorted(foreign)))
    oracle.lay_out(tmp_path, blueprint.archives, universe)
    asked = [number for number, spec in enumerate(blueprint.layers) if number and spec.packages]
    assert asked
    for number in asked:
        command = make_command(
            tmp_path, universe, blueprint.layers[number].packages, status=Path("/var/lib/dpkg/status")
        )
        chosen = read_answer(_run(everything, plan, command, tmp_path, layers=number))
        wanted = {(pin.name, pin.architecture, pin.version) for pin in pinned.layers[number].packages}
        assert chosen == wanted, blueprint.layers[number].name


def _prepare(line: CommandLine, name: str) -> Prepared:
    project = open_project(line.folder)
    (recipe,) = load_recipes(project, RULES, [name])
    return prepare_recipe(project, recipe)


def _run(line: CommandLine, plan: Plan, argv: Sequence[str], folder: Path, *, layers: int | None = None) -> str:
    """What a command says inside an image, or inside its lowest layers; a folder of the test's is in its place."""
    store = Store(line.store)
    found = find_layers(plan, store, SilentProgress())
    assert len(found) >= (len(plan.layers) if layers is None else layers)
    command = Command(argv=tuple(argv), env=(("PATH", IMAGE_PATH),), binds=((str(folder), str(folder)),))
    with (folder / "output").open("w+b") as output:
        code = run_in_sandbox(found[:layers], store, command, output=output)
        output.seek(0)
        said = output.read().decode()
    store.close()
    assert code == 0, said
    return said


def _blob(folder: Path, digest: str) -> bytes:
    return (folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()
