"""What doctor says of engines is what building with them comes to, for real."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from imagefab.engines import trial
from imagefab.engines.container import ContainerEngine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.isolation import describe_isolation, list_weaker
from imagefab.engines.measure import measure_isolation
from imagefab.engines.podman import PodmanEngine
from imagefab.engines.sandbox.engine import SandboxEngine
from imagefab.platforms import machine_platform
from imagefab.store.store import Store
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import look_into
from tests.e2e.support.users import make_line, make_user
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.looks_at_engines, pytest.mark.usefixtures("root", "docker", "podman")]


def examine(line: CommandLine, engine: str, **options: Any) -> dict[str, dict[str, Any]]:
    return {found["what"]: found for found in line.json("doctor", **options)["groups"][engine]}


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_engine_that_works_was_tried(engine: str, tiny_empty: CommandLine) -> None:
    before = look_into(engine)
    found = examine(tiny_empty, engine)
    assert found["a build"]["detail"] == "works"
    assert all(finding["ok"] for finding in found.values())
    assert look_into(engine) <= before
    assert not list((tiny_empty.store / "claims").iterdir())


def test_buildah_alone(tiny_empty: CommandLine, tmp_path: Path) -> None:
    require(shutil.which("buildah") is not None, "buildah")
    for folder in map(Path, os.environ["PATH"].split(":")):
        for program in folder.iterdir() if folder.is_dir() else ():
            link = tmp_path / "bin" / program.name
            link.parent.mkdir(exist_ok=True)
            if program.name != "podman" and not link.is_symlink():
                link.symlink_to(program)
    before = look_into("podman")
    found = examine(tiny_empty, "podman", env=os.environ | {"PATH": str(tmp_path / "bin")})
    assert "podman" not in found
    assert found["buildah"]["ok"]
    assert found["a build"]["detail"] == "works", found
    assert look_into("podman") <= before
    assert not list((tiny_empty.store / "claims").iterdir())


def test_the_sandbox_isolates_no_less_than_docker(bootstrapped: CommandLine, tmp_path: Path) -> None:
    """As root, and as an ordinary user. Both are measured; what an engine says of itself does not count."""
    store = Store(tmp_path / "store")
    docker = measure_isolation(DockerEngine(), store)
    sandbox = measure_isolation(SandboxEngine(), store)
    store.close()
    assert list_weaker(sandbox, docker) == []
    assert list_weaker(docker, sandbox) != []
    for user in make_user(f"doctor{os.getpid()}"):
        line = make_line(user, bootstrapped)
        found = line.json("doctor")["isolation"]["sandbox"]
        assert found == describe_isolation(sandbox)
        assert found["user namespace"] == "its own"
        said = line.run("doctor").stdout
        assert all(re.search(rf"^  {row} +{value}", said, re.MULTILINE) for row, value in found.items())


@pytest.fixture
def broken_podman(tmp_path: Path) -> dict[str, str]:
    """Podman that answers, and can't do anything: its storage is of a kind that there is not."""
    config = tmp_path / "storage.conf"
    config.write_text(f'[storage]\ndriver = "imaginary"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/graph"\n')
    return os.environ | {"CONTAINERS_STORAGE_CONF": str(config)}


def test_an_engine_that_answers_and_does_not_build(tiny_empty: CommandLine, broken_podman: dict[str, str]) -> None:
    found = examine(tiny_empty, "podman", env=broken_podman)
    assert found["podman"]["ok"]
    assert not found["a build"]["ok"]
    assert "imaginary" in found["a build"]["detail"]
    assert found["a build"]["fix"]
    said = tiny_empty.run("doctor", env=broken_podman).stdout
    assert "podman: does not work" in said
    assert "docker: works" in said
    failed = tiny_empty.run("build", "tiny", "--engine", "podman", code=5, env=broken_podman)
    assert "podman does not work here" in failed.stderr
    assert "imaginary" in failed.stderr
    assert not list(tiny_empty.store.glob("blobs/sha256/*/*")), "nothing is fetched for an engine that does not build"


# pause() again and again; and a branch to itself.
ENDLESS = {"amd64": bytes.fromhex("b8220000000f05ebf7"), "arm64": bytes.fromhex("00000014")}


@pytest.mark.parametrize("make", [DockerEngine, PodmanEngine])
def test_a_step_that_does_not_end_is_given_up(
    make: type[ContainerEngine], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where a container's runtime hangs."""
    own = machine_platform().oci_arch
    monkeypatch.setitem(trial._MACHINES, own, (trial._MACHINES[own][0], ENDLESS[own]))
    monkeypatch.setattr(trial, "SECONDS", 5.0)
    engine, store = make(), Store(tmp_path / "store")
    before = look_into(engine.name)
    *_, found = engine.inspect(store)
    store.close()
    assert not found.ok
    assert "not done after 5 seconds" in found.detail
    assert look_into(engine.name) <= before
