"""The flagship and its sibling from every engine, twice each, from empty stores: one digest each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine, list_built, list_layers
from tests.e2e.support.engines import ENGINES
from tests.e2e.support.stores import copy_packages

pytestmark = [pytest.mark.prove, pytest.mark.e2e, pytest.mark.usefixtures("root", "docker", "podman")]


def test_six_builds_one_digest(warm: CommandLine, tmp_path: Path) -> None:
    """On another host, under another umask. For the second image, no engine runs a step that it ran for the first."""
    warm.run("context", "aarch64-musl", tmp_path / "context")
    digests: dict[str, tuple[str, ...]] = {}
    for engine in ENGINES:
        for turn, (host, umask) in enumerate((("first-host", 0o022), ("other", 0o077))):
            store = copy_packages(warm, tmp_path / f"{engine}-{turn}", "aarch64-gnu", "aarch64-musl")
            line = CommandLine(store, warm.folder)
            words = ("unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$0" "$@"')
            musl = line.build("aarch64-musl", "--engine", engine, prefix=words, umask=umask)
            gnu = line.build("aarch64-gnu", "--engine", engine, prefix=words, umask=umask)
            assert {musl["engine"], gnu["engine"]} == {engine}
            assert len(list_built(musl)) == len(list_layers(musl))
            assert list_built(gnu) == ["build-systems"]
            digests[f"{engine} {turn}"] = (musl["digest"], gnu["digest"])
            shutil.rmtree(line.store)
    assert len(set(digests.values())) == 1, json.dumps(digests, indent=1)
