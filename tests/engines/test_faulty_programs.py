"""Engines whose programs exist and fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.fake_programs import PutProgram, make_path

from imagefab.engines.choose import choose_engine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError
from imagefab.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutProgram:
    return make_path(tmp_path / "bin", monkeypatch)


def list_claims(store: Store) -> list[Path]:
    return list((store.root / "claims").glob("*"))


# -- docker -----------------------------------------------------------------------------------------------------------

DOCKER = """
case "$*" in
    "version --format"*) echo '"20.10.24"' ;;
    "buildx version") echo "github.com/docker/buildx {} 0123abc" ;;
    *) echo "$*" >>{}; exit 1 ;;
esac
"""


@pytest.mark.parametrize("version", ["v0.9.1", "v0.5.1-docker", "0.9.99"])
def test_a_buildx_that_is_too_old(version: str, put: PutProgram, store: Store, tmp_path: Path) -> None:
    """It is told before anything is asked of it, and with what mends it."""
    asked = tmp_path / "asked"
    put("docker", DOCKER.format(version, asked))
    with pytest.raises(EngineError) as caught:
        choose_engine("docker", store)
    assert caught.value.problem == (
        f"docker does not work here:\n  docker: buildx: {version} is too old: 0.10 is the least"
    )
    assert caught.value.hint is not None
    assert "docker-buildx" in caught.value.hint
    assert not asked.exists()
    assert not list_claims(store)


def test_a_buildx_that_is_just_new_enough(put: PutProgram) -> None:
    put("docker", DOCKER.format("v0.10.0", "/dev/null"))
    assert [(found.what, found.ok) for found in DockerEngine().look()] == [
        ("docker client", True),
        ("Docker engine", True),
        ("buildx", True),
    ]


# -- podman -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ("", "podman info: exit code 1"),
        ("echo 'Error: storage driver imaginary' >&2; echo 'bye' >&2;", "podman info: Error: storage driver imaginary"),
    ],
)
def test_a_podman_that_fails_at_once_leaves_nothing(said: str, detail: str, put: PutProgram, store: Store) -> None:
    """However often it is tried."""
    put("podman", f'[ "$1" = --version ] && echo "podman version 5.0" && exit; {said} exit 1')
    for _ in range(3):
        _, found = PodmanEngine().inspect(store)
        assert (found.ok, found.detail) == (False, detail)
        assert found.fix
    assert not list_claims(store)


def test_a_podman_that_does_not_build_leaves_nothing(put: PutProgram, store: Store, tmp_path: Path) -> None:
    info = f"info) echo {tmp_path}/graph ;; images) ;; ps) ;; rm) ;;"
    put(
        "podman",
        f"case $1 in --version) echo podman version 5.0 ;; {info} *) echo 'Error: no crun' >&2; exit 1 ;; esac",
    )
    for _ in range(3):
        _, found = PodmanEngine().inspect(store)
        assert (found.ok, found.detail) == (False, "Error: no crun")
        assert not list_claims(store)


def test_storages_of_podman_are_different_engines(
    put: PutProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("podman", 'echo "$GRAPH"')
    put("buildah", f"echo '{json.dumps({'store': {'GraphRoot': '/b'}})}'")
    found = []
    for root in ("/a", "/b"):
        monkeypatch.setenv("GRAPH", root)
        found += [PodmanEngine("podman").identity(), PodmanEngine("buildah").identity()]
    assert found == ["podman /a", "buildah /b", "podman /b", "buildah /b"]
