"""Where a built image goes: into an engine, into an OCI layout, into a context that builds without imagefab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import remove_image
from tests.e2e.support.projects import NAMED, add_recipe
from tests.machine import require

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def tag(unique: str) -> Iterator[str]:
    name = f"localhost/imagefab-plain:{unique}"
    yield name
    remove_image(name)


@pytest.mark.usefixtures("docker")
def test_the_context_builds_without_imagefab(pair: CommandLine, tag: str, tmp_path: Path) -> None:
    """A plain buildx build of the folder that imagefab lays out gives an image that says and does the same."""
    context = tmp_path / "context"
    pair.run("context", "one", context, "--platform", "linux/amd64")
    assert (context / "Dockerfile").read_text() == (pair.folder / "images/one/Dockerfile").read_text()
    build = ["docker", "buildx", "build", "--network", "none", "--load", "--tag", tag, str(context)]
    subprocess.run(build, check=True, capture_output=True)
    plain = json.loads(subprocess.run(["docker", "inspect", tag], check=True, capture_output=True).stdout)[0]
    shown = pair.json("show", "one")
    assert dict(variable.split("=", 1) for variable in plain["Config"]["Env"]) == shown["env"]
    assert plain["Config"]["Labels"] == shown["labels"]
    run = ["docker", "run", "--rm", "--network", "none", tag, "sh", "-c", "dpkg --audit && cat /opt/name"]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "one"


@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("program", ["docker", pytest.param("podman", marks=pytest.mark.prove)])
def test_load_keeps_the_id(program: str, tiny: CommandLine, unique: str, tmp_path: Path) -> None:
    """The id that the engine shows is the config's digest that imagefab printed. The image is this test's own: it is
    removed by its id, and that takes all its names away."""
    env = dict(os.environ)
    if program == "podman":
        # A machine without Docker: nothing of that name on the path.
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("podman", "runc", "conmon"):
            (tools / name).symlink_to(shutil.which(name) or "/nonexistent")
        env["PATH"] = str(tools)
    add_recipe(tiny, unique, NAMED.format(name=unique, base="debian-trixie"))
    image = tiny.build(unique, "--load", env=env)
    name = f"localhost/imagefab/{unique}:latest"
    shown = subprocess.run([program, "image", "inspect", name], check=True, capture_output=True, text=True)
    identity = json.loads(shown.stdout)[0]["Id"].removeprefix("sha256:")
    assert f"sha256:{identity}" == image["platforms"]["linux/amd64"]["config"]
    # Podman wants more than a machine may grant.
    options = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"] if program == "podman" else []
    run = [program, "run", "--rm", "--network", "none", *options, name, "sh", "-c", "cat /opt/name"]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == unique
    subprocess.run([program, "rmi", "--force", identity], check=True, capture_output=True)


def test_output_is_a_layout_that_others_read(pair: CommandLine, tmp_path: Path, place: str) -> None:
    """skopeo copies it into a stock registry, and the registry has it under the digest that imagefab printed."""
    require(shutil.which("skopeo") is not None, "skopeo")
    folder = tmp_path / "layout"
    digest = pair.build("one", "--output", folder)["digest"]
    inspected = subprocess.run(["skopeo", "inspect", f"oci:{folder}:one"], check=True, capture_output=True, text=True)
    assert json.loads(inspected.stdout)["Digest"] == digest
    target = f"docker://{place}/one"
    copy = ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{folder}:one", f"{target}:test"]
    subprocess.run(copy, check=True, capture_output=True)
    inspect = ["skopeo", "inspect", "--tls-verify=false", f"{target}@{digest}"]
    pushed = subprocess.run(inspect, check=True, capture_output=True, text=True)
    assert json.loads(pushed.stdout)["Digest"] == digest


@pytest.mark.usefixtures("docker", "podman")
def test_the_engine_that_is_named_is_the_one_that_is_loaded_into(tiny: CommandLine, unique: str) -> None:
    """Though Docker is there, and would be taken where none is named."""
    add_recipe(tiny, unique, NAMED.format(name=unique, base="debian-trixie"))
    image = tiny.build(unique)
    file = tiny.folder / "Cross.toml"
    tiny.run("build", unique, "--engine", "podman", "--load")
    local = ("cross-toml", unique, "--local", "--file", file)
    name = tiny.run(*local, "--engine", "podman").stdout.strip()
    try:
        subprocess.run(["podman", "image", "exists", name], check=True)
        assert subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode != 0
        refused = tiny.run(*local, "--engine", "docker", code=4)
        assert f"run `imagefab build {unique} --engine docker --load`" in refused.stderr
    finally:
        remove_image(image["platforms"]["linux/amd64"]["config"], "podman")
