"""Builders of buildx's by their name, as far as a stand-in for the docker program goes. The real ones: tests/e2e."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.engines.builder import BuilderEngine, find_builder
from imagefab.engines.docker import DockerEngine
from imagefab.errors import EngineError

INSPECTED = """\
Name:          far
Driver:        {driver}

Nodes:
Name:      far0
Endpoint:  {endpoint}
Status:    running
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def make(script: str) -> None:
        path = tmp_path / "docker"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


def test_a_docker_is_used_as_one(docker: Callable[[str], None]) -> None:
    docker(f"cat <<'END'\n{INSPECTED.format(driver='docker', endpoint='second')}END")
    engine = find_builder("far")
    assert type(engine) is DockerEngine
    assert engine.client() == ["docker", "--context", "second"]
    assert (engine.runs_here, engine.starts_anew) == (False, False)


@pytest.mark.parametrize("driver", ["docker-container", "kubernetes", "remote", "cloud"])
def test_others_get_all_and_send_an_archive(driver: str, docker: Callable[[str], None]) -> None:
    docker(f"cat <<'END'\n{INSPECTED.format(driver=driver, endpoint='tcp://far:1234')}END")
    engine = find_builder("far")
    assert isinstance(engine, BuilderEngine)
    assert (engine.runs_here, engine.starts_anew) == (False, True)
    assert [finding.ok for finding in engine.look()] == [True]


@pytest.mark.parametrize("script", ["echo 'ERROR: no builder \"far\" found' >&2; exit 1", "exit 1"])
def test_no_such_builder(script: str, docker: Callable[[str], None]) -> None:
    docker(script)
    with pytest.raises(EngineError) as caught:
        find_builder("far")
    assert "far" in str(caught.value)
    assert "docker buildx ls" in str(caught.value.hint)


def test_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError):
        find_builder("far")
