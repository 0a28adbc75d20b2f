"""Which engine images are loaded into: the one that is named, and no other."""

from __future__ import annotations

import pytest

from imagefab.engines.docker import DockerEngine
from imagefab.engines.load import find_local_engine, make_loaded_check
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> set[type]:
    """The engines that answer here."""
    found: set[type] = {DockerEngine, PodmanEngine}
    for engine in (DockerEngine, PodmanEngine):
        monkeypatch.setattr(engine, "answers", lambda self: type(self) in found)
        monkeypatch.setattr(engine, "has", lambda self, tag: tag == self.name)
    return found


def test_the_engine_that_is_named_is_taken(answering: set[type]) -> None:
    for name in ("docker", "podman"):
        assert find_local_engine(name).name == name
        assert make_loaded_check(name)(name)
    for name in ("auto", "sandbox"):
        assert find_local_engine(name).name == "docker"


def test_no_other_is_taken_for_it(answering: set[type]) -> None:
    answering.remove(PodmanEngine)
    with pytest.raises(EngineError, match="podman does not answer"):
        find_local_engine("podman")
    assert find_local_engine("auto").name == "docker"
    answering.clear()
    answering.add(PodmanEngine)
    assert find_local_engine("auto").name == "podman"
    answering.clear()
    with pytest.raises(EngineError, match="no Docker or Podman"):
        find_local_engine("auto")
