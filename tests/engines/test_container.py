"""What container engines make for builds, and how it is removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.fake_container_engine import FakeContainerEngine, count_claims

from imagefab.engines.claim import Claim, hold_claim
from imagefab.engines.engine import Finding
from imagefab.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


@pytest.fixture
def engine() -> FakeContainerEngine:
    return FakeContainerEngine()


# -- the trial --------------------------------------------------------------------------------------------------------


def test_what_works_is_found_by_building(engine: FakeContainerEngine, store: Store) -> None:
    assert [(found.what, found.ok) for found in engine.inspect(store)] == [("fake", True), ("a build", True)]
    (order,) = engine.orders
    assert order.limit > 0, "a machine on which it hangs is told from one on which it works"
    assert order.no_cache, "what worked once is no proof"
    assert not engine.things
    assert count_claims(store) == 0


def test_what_works_is_not_tried_again(
    engine: FakeContainerEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not engine.is_known_to_work(store)
    engine.inspect(store)
    assert engine.is_known_to_work(store)
    monkeypatch.setattr(engine, "identity", lambda: "another")
    assert not engine.is_known_to_work(store)
    monkeypatch.undo()
    monkeypatch.setattr(engine, "look", lambda: [Finding(what="fake", ok=False, detail="stopped", fix="start it")])
    assert not engine.is_known_to_work(store)


def test_what_does_not_work_is_tried_again(engine: FakeContainerEngine, store: Store) -> None:
    engine.log = ["broken"]
    engine.inspect(store)
    assert not engine.is_known_to_work(store)


def test_what_is_not_there_is_not_tried(
    engine: FakeContainerEngine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Finding(what="fake", ok=False, detail="not found", fix="get it")
    monkeypatch.setattr(engine, "look", lambda: [missing])
    assert engine.inspect(store) == [missing]
    assert not engine.orders


def test_what_does_not_work_is_said(engine: FakeContainerEngine, store: Store) -> None:
    engine.log = ["STEP 1", "Error: crun: cgroups are odd ", "exiting", ""]
    _, found = engine.inspect(store)
    assert not found.ok
    assert found.detail == "Error: crun: cgroups are odd"
    assert found.fix == "mend 3 lines"
    assert not engine.things


@pytest.mark.parametrize("log", [[], ["", ""]])
def test_what_does_not_work_without_a_word(engine: FakeContainerEngine, store: Store, log: list[str]) -> None:
    engine.log = log
    assert engine.inspect(store)[1].detail == "fake build failed to build"


def test_a_store_that_cannot_be_used_is_said(engine: FakeContainerEngine) -> None:
    _, found = engine.inspect(Store(Path("/dev/null")))
    assert not found.ok
    assert "/dev/null" in found.detail
    assert "--store DIR" in found.fix


# -- what is left -----------------------------------------------------------------------------------------------------


def be_killed(engine: FakeContainerEngine, store: Store) -> set[str]:
    """As a run that made something and had no time to clear it."""
    with hold_claim(store, engine.name, engine.identity()) as claim:
        made = {claim.image, claim.seed}
    engine.things |= made
    return made


def test_the_next_build_clears_what_killed_ones_left(engine: FakeContainerEngine, store: Store) -> None:
    be_killed(engine, store)
    be_killed(engine, store)
    engine.things.add("somebody else's")
    engine.inspect(store)
    assert engine.things == {"somebody else's"}
    assert count_claims(store) == 0


def test_what_others_are_at_stays(engine: FakeContainerEngine, store: Store) -> None:
    with hold_claim(store, engine.name, engine.identity()) as claim:
        engine.things.add(claim.image)
        engine.inspect(store)
        assert engine.things == {claim.image}
    engine.inspect(store)
    assert not engine.things


def test_what_cannot_be_cleared_is_tried_again(engine: FakeContainerEngine, store: Store) -> None:
    left = be_killed(engine, store)
    engine.is_stuck = True
    assert engine.inspect(store)[1].ok, "that the engine builds is what counts"
    assert left < engine.things
    engine.is_stuck = False
    engine.inspect(store)
    assert not engine.things
    assert count_claims(store) == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_an_interrupted_build_clears_its_own(engine: FakeContainerEngine, store: Store, error: BaseException) -> None:
    engine.error = error
    with pytest.raises(type(error)):
        engine.inspect(store)
    assert not engine.things
    assert count_claims(store) == 0


def test_what_a_daemon_finishes_after_the_end_is_cleared_by_the_next(engine: FakeContainerEngine, store: Store) -> None:
    engine.is_daemon = True
    engine.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        engine.inspect(store)
    assert not engine.things
    (claim,) = (store.root / "claims").iterdir()
    late = Claim(name=claim.name, folder=claim)
    engine.things.add(late.image)
    engine.error = None
    engine.inspect(store)
    assert not engine.things
    assert count_claims(store) == 0
