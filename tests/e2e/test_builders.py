"""`--builder`: what another Docker builds, and what a builder that is none sends back.

There is no BuildKit of its own here. A builder of another kind is played by a docker program that does what buildx does
with one, an archive written to a file, with the Docker that is there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.stores import copy_packages

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker")]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Another Docker, and an environment in which it has a context."""
    folder = tmp_path_factory.mktemp("second")
    socket = folder / "docker.sock"
    # Its storage is of the kind that works here.
    info = ["docker", "info", "--format", "{{.Driver}}"]
    driver = subprocess.run(info, capture_output=True, text=True, check=True).stdout.strip()
    (folder / "daemon.json").write_text(json.dumps({"storage-driver": driver}))
    command = ["unshare", "--net", "dockerd", "--config-file", folder / "daemon.json", "--host", f"unix://{socket}",
               "--data-root", folder / "data", "--exec-root", folder / "exec",
               "--pidfile", folder / "pid", "--bridge", "none", "--iptables=false", "--ip6tables=false"]  # fmt: skip
    env = os.environ | {"DOCKER_CONFIG": str(folder / "config")}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(list(map(str, command)), stdout=log, stderr=log) as process,
    ):
        try:
            subprocess.run(
                ["docker", "context", "create", "second", "--docker", f"host=unix://{socket}"],
                env=env, check=True, capture_output=True,
            )  # fmt: skip
            ask = ["docker", "--context", "second", "info"]
            while subprocess.run(ask, env=env, capture_output=True, check=False).returncode != 0:
                assert process.poll() is None, (folder / "log").read_text()[-3000:]
                time.sleep(0.5)
            yield env
        finally:
            process.terminate()
            process.wait(60)
            for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
                if str(folder) in mount:
                    subprocess.run(["umount", "--lazy", mount.split()[1]], check=False)
            shutil.rmtree(folder, ignore_errors=True)


def list_images() -> list[str]:
    """Those made in one second come in any order."""
    command = ["docker", "images", "--all", "--quiet"]
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.looks_at_engines
def test_another_docker_builds_the_same(pair: CommandLine, tmp_path: Path, second: dict[str, str]) -> None:
    """And this machine's own has nothing to do with it."""
    line = CommandLine(copy_packages(pair, tmp_path / "store", "one", "two"), pair.folder)
    before = list_images()
    built = line.build("one", "--builder", "second", "--no-cache", env=second)
    assert built["engine"] == "docker"
    assert built["digest"] == pair.build("one")["digest"]
    sibling = line.build("two", "--builder", "second", env=second)
    layers = sibling["platforms"]["linux/amd64"]["layers"]
    assert [layer["cached"] for layer in layers] == [True] * (len(layers) - 1) + [False]
    assert sibling["digest"] == pair.build("two")["digest"]
    assert list_images() == before


SHIM = """\
#!/usr/bin/env python3
# Plays a builder called `far`: what is built for it comes back as an archive.
import os, subprocess, sys

docker, words = {docker!r}, sys.argv[1:]
if words[:2] == ["buildx", "inspect"] and words[-1] == "far":
    print("Name: far\\nDriver: remote\\n\\nNodes:\\nName: far0\\nEndpoint: tcp://far:1\\nStatus: running")
    sys.exit()
if "--builder" in words:
    at = words.index("--builder")
    assert words[at + 1] == "far"
    del words[at : at + 2]
    at = words.index("--output")
    given = dict(pair.split("=") for pair in words[at + 1].split(","))
    assert given["type"] == "docker"
    tag = f"far-test:{{os.getpid()}}"
    words[at : at + 2] = ["--load", "--tag", tag]
    done = subprocess.run([docker, *words])
    if done.returncode == 0:
        subprocess.run([docker, "save", "--output", given["dest"], tag], check=True)
        subprocess.run([docker, "rmi", tag], check=True, capture_output=True)
    sys.exit(done.returncode)
os.execv(docker, [docker, *words])
"""


@pytest.mark.prove
def test_a_builder_that_sends_archives(pair: CommandLine, tmp_path: Path) -> None:
    """It is given all layers, and what is new in them is taken."""
    shim = tmp_path / "bin/docker"
    shim.parent.mkdir()
    shim.write_text(SHIM.format(docker=shutil.which("docker")))
    shim.chmod(0o755)
    env = os.environ | {"PATH": f"{shim.parent}:{os.environ['PATH']}"}
    line = CommandLine(copy_packages(pair, tmp_path / "store", "one", "two"), pair.folder)
    built = line.build("one", "--builder", "far", env=env)
    assert built["digest"] == pair.build("one")["digest"]
    sibling = line.build("two", "--builder", "far", env=env)
    assert sibling["digest"] == pair.build("two")["digest"]
    assert not list((line.store / "claims").iterdir())


def test_no_such_builder(pair: CommandLine, tmp_path: Path) -> None:
    line = CommandLine(tmp_path / "store", pair.folder)
    assert "nobody" in line.run("build", "one", "--builder", "nobody", code=5).stderr
    line.run("build", "one", "--builder", "x", "--engine", "podman", code=2)
