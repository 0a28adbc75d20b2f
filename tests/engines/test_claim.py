"""Claims of runs: those of dead runs are found, all others are left alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.engines.claim import Claim, drop_claim, hold_claim, take_abandoned
from imagefab.store.store import Store

HOLD = """
import os, sys
from pathlib import Path
from imagefab.engines.claim import hold_claim
from imagefab.store.store import Store
with hold_claim(Store(Path(sys.argv[1])), "podman", "one") as claim:
    print(claim.name, flush=True)
    sys.stdin.read()
    os._exit(9)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


def start(store: Store) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def abandoned(store: Store, engine: str = "podman", identity: str = "one") -> list[str]:
    with take_abandoned(store, engine, identity) as found:
        return [claim.name for claim in found]


def abandon(store: Store, engine: str = "podman", identity: str = "one") -> Claim:
    with hold_claim(store, engine, identity) as claim:
        return claim


def test_a_claim_of_a_run_that_was_killed(store: Store) -> None:
    process, name = start(store)
    assert abandoned(store) == []
    process.communicate()
    assert process.returncode == 9
    assert abandoned(store) == [name]
    assert abandoned(store) == [name], "until it is dropped"


def test_claims_of_this_process_are_alive_too(store: Store) -> None:
    with hold_claim(store, "podman", "one") as one, hold_claim(store, "podman", "one") as two:
        assert one.name != two.name
        assert one.scratch.is_dir()
        assert abandoned(store) == []
    assert abandoned(store) == sorted([one.name, two.name])


def test_dropped_claims_leave_nothing(store: Store) -> None:
    with hold_claim(store, "podman", "one") as claim:
        (claim.scratch / "large").write_bytes(b"x")
        drop_claim(store, claim)
    assert abandoned(store) == []
    assert not list((store.root / "claims").iterdir())


def test_claims_on_other_engines_stay(store: Store) -> None:
    """Another engine would not find what they are about; their own will."""
    claims = [abandon(store, "docker", "one"), abandon(store, "podman", "two")]
    assert abandoned(store) == []
    assert all(claim.folder.is_dir() for claim in claims)
    assert abandoned(store, "docker") == [claims[0].name]


def test_only_one_gets_them(store: Store) -> None:
    claim = abandon(store)
    with take_abandoned(store, "podman", "one") as found:
        assert [one.name for one in found] == [claim.name]
        assert abandoned(store) == []


def test_a_run_that_died_before_its_claim_was_written(store: Store) -> None:
    """It can't have made anything."""
    for name in ("empty", "locked"):
        (store.folder("claims") / name).mkdir()
    (store.root / "claims" / "locked" / "lock").touch()
    assert abandoned(store) == []
    assert not list((store.root / "claims").iterdir())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_claim_is_left_alone(store: Store, content: bytes) -> None:
    claim = abandon(store)
    (claim.folder / "engine.json").write_bytes(content)
    (store.root / "claims" / "stray").write_bytes(b"a file")
    assert abandoned(store) == []
    assert claim.folder.is_dir()


def test_names_differ_and_can_be_tags(store: Store) -> None:
    names = {abandon(store).image for _ in range(20)}
    assert len(names) == 20
    assert all(name.rpartition(":")[2].replace("_", "").isalnum() for name in names)
