"""A project whose recipes share bases."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.flows.lock_world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr("imagefab.flows.lock.ArchiveReader", lambda fetcher, *, now: fetcher)
    return made
