"""Building several recipes at a time, and what happens to the others when one fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tests.sample_recipe import prepare

from imagefab.engines.engine import Finding
from imagefab.errors import EngineError, UsageError
from imagefab.flows import build as factory
from imagefab.flows.build import Outcome, Workshop, build_all
from imagefab.flows.inputs import list_wanted
from imagefab.flows.prepare import Prepared
from imagefab.progress import SilentProgress
from imagefab.store.store import Store


def build(monkeypatch: pytest.MonkeyPatch, one: Callable[[str], str], done: Callable[[Any], None], *names: str) -> Any:
    """Run build_all with something else in the place of building one recipe."""

    def build_one(prepared: Prepared, platforms: object, workshop: object) -> Outcome:
        return cast(Outcome, one(prepared.recipe.name))

    monkeypatch.setattr(factory, "build_recipe", build_one)
    workshop = Workshop(
        store=Store(Path("unused")), progress=SilentProgress(), engine=pytest.fail, fetch=lambda _: None
    )  # fmt: skip
    return build_all([prepare(name) for name in names], lambda _: ["linux/amd64"], workshop, jobs=2, done=done)


def test_results_come_in_order_and_one_failure_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(name: str) -> str:
        if name == "b":
            raise EngineError("b failed")
        return name

    seen: list[str] = []
    errors = build(monkeypatch, one, seen.append, "a", "b", "c")
    assert seen == ["a", "c"]
    assert [error.problem for error in errors] == ["b failed"]


def test_an_interrupt_does_not_wait_for_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    going_on, ended = threading.Event(), threading.Event()

    def one(name: str) -> str:
        if name == "slow":
            going_on.wait(1)
            ended.set()
        return name

    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(monkeypatch, one, interrupt, "fast", "slow", "never")
    assert not ended.is_set()
    going_on.set()


def test_a_platform_that_cannot_be_built_here_is_reported_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before an engine is chosen, and before anything is fetched."""
    finding = Finding(what="programs", ok=False, detail="no emulator", fix="get one")
    monkeypatch.setattr("imagefab.engines.inspect.inspect_emulation", lambda platform: finding)
    workshop = Workshop(
        store=Store(tmp_path / "store"), progress=SilentProgress(), engine=pytest.fail, fetch=lambda _: pytest.fail()
    )
    with pytest.raises(EngineError, match="can't build images for linux/arm64 here: no emulator") as caught:
        factory.build_recipe(prepare(), ["linux/arm64"], workshop)
    assert caught.value.hint == "get one"
    assert not (tmp_path / "store").exists()


def test_platforms_that_a_recipe_is_not_made_for() -> None:
    with pytest.raises(UsageError) as caught:
        prepare().choose_plans(["linux/amd64", "linux/riscv64"])
    assert "linux/arm64" in (caught.value.hint or "")


def test_what_is_wanted_is_what_the_inputs_need() -> None:
    prepared = prepare()
    amd64 = prepared.plans[0]
    extras = list_wanted(prepared, amd64.layers[-1].inputs)
    assert {pin.name for pin in extras.pins} == {"jq", "libssl-dev"}
    assert {wanted.source.name for wanted in extras.sources} == {"zlib.tar.gz", "other"}
    runner = list_wanted(prepared, amd64.layers[2].inputs)
    assert [pin.name for pin in runner.pins] == ["qemu-user"]
    inputs = [given for plan in prepared.plans for layer in plan.layers for given in layer.inputs]
    digests = [pin.sha256 for pin in list_wanted(prepared, inputs).pins]
    assert digests == sorted(set(digests))
    assert list_wanted(prepared, ()).pins == ()
