"""Building with a fake engine: which layers are built, who waits, and what is left after a failure."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.engines.fake_engine import FakeEngine
from tests.sample_recipe import SMALL, make_plans, make_recipe

from imagefab import __version__
from imagefab.engines.build import Built, build_image, find_image, find_layers
from imagefab.errors import EngineError
from imagefab.oci.layer import Origin
from imagefab.plan.model import Plan
from imagefab.progress import SilentProgress
from imagefab.recipe.target import TARGETS
from imagefab.store.store import Store

PLAN = make_plans(SMALL)[0]
SIBLING = make_plans(make_recipe(target=TARGETS["aarch64-unknown-linux-musl"], kind="musl"))[0]


class Listener(SilentProgress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store")
    yield made
    made.close()


def build(engine: FakeEngine, store: Store, plan: Plan = PLAN, *, no_cache: bool = False) -> Built:
    return build_image(plan, engine, store, lambda _: Path("unused"), SilentProgress(), no_cache=no_cache)


NAMES = [layer.name for layer in PLAN.layers]


def test_all_layers_are_built_and_then_none(store: Store) -> None:
    engine = FakeEngine()
    first, second = build(engine, store), build(engine, store)
    assert engine.built == NAMES
    assert first.image == second.image == find_image(PLAN, store, SilentProgress())
    assert first.fresh == {layer.key for layer in PLAN.layers}
    assert not second.fresh
    assert [layer.name for layer in first.image.layers] == NAMES


def test_layers_say_what_built_them_and_for_what(store: Store) -> None:
    engine = FakeEngine()
    one, two = build(engine, store), build(engine, store, SIBLING)
    assert {layer.origin for layer in one.image.layers} == {
        Origin(engine=engine.name, version=__version__, plan=PLAN.key)
    }
    origins = [layer.origin.plan for layer in two.image.layers if layer.origin is not None]
    assert origins == [PLAN.key] * 4 + [SIBLING.key] * 4
    assert find_image(PLAN, store, SilentProgress()) == one.image


def test_nothing_is_there_at_first(store: Store) -> None:
    assert find_image(PLAN, store, SilentProgress()) is None
    assert find_layers(PLAN, store, SilentProgress()) == ()


def test_a_sibling_builds_only_what_it_has_of_its_own(store: Store) -> None:
    engine = FakeEngine()
    one = build(engine, store)
    engine.built.clear()
    two = build(engine, store, SIBLING)
    assert engine.built == ["musl-arm64", "musl-arm64-cxx", "build-systems", "extras"]
    assert one.image.layers[:4] == two.image.layers[:4]


def test_no_cache_builds_all_again_and_comes_to_the_same(store: Store) -> None:
    engine = FakeEngine()
    first = build(engine, store)
    second = build(engine, store, no_cache=True)
    assert engine.built == NAMES * 2
    assert first.image == second.image
    assert len(second.fresh) == len(NAMES)


def test_two_at_once_build_it_once(store: Store) -> None:
    slow, other = FakeEngine(gate=threading.Event()), FakeEngine()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(build, slow, store)
        assert slow.inside.wait(10)
        two = pool.submit(build, other, Store(store.root))
        assert not other.inside.wait(0.1), "it waits"
        assert slow.gate is not None
        slow.gate.set()
        assert one.result().image == two.result().image
    assert (slow.built, other.built) == (NAMES, [])
    assert not two.result().fresh


def test_a_sibling_waits_for_the_layers_that_it_shares(store: Store) -> None:
    slow, other = FakeEngine(gate=threading.Event()), FakeEngine()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(build, slow, store)
        assert slow.inside.wait(10)
        two = pool.submit(build, other, store, SIBLING)
        assert not other.inside.wait(0.1)
        assert slow.gate is not None
        slow.gate.set()
        one.result()
        two.result()
    assert other.built == ["musl-arm64", "musl-arm64-cxx", "build-systems", "extras"]


def test_a_layer_that_is_finished_is_there_for_others_at_once(store: Store) -> None:
    slow, other = FakeEngine(gate=threading.Event(), gate_at=4), FakeEngine()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(build, slow, store)
        assert slow.inside.wait(10)
        two = pool.submit(build, other, store, SIBLING)
        try:
            two.result(timeout=10)
            assert not one.done(), "its last layer is still being built"
        finally:
            assert slow.gate is not None
            slow.gate.set()
    assert (slow.built, other.built) == (NAMES, ["musl-arm64", "musl-arm64-cxx", "build-systems", "extras"])


def test_many_at_once(store: Store) -> None:
    engine = FakeEngine()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(build, engine, store, plan) for plan in [PLAN, SIBLING] * 4]
        digests = {future.result().image.digest for future in futures}
    assert len(digests) == 2
    assert sorted(engine.built) == sorted([*NAMES, "musl-arm64", "musl-arm64-cxx", "build-systems", "extras"])


def test_a_failed_build_is_continued(store: Store) -> None:
    engine = FakeEngine(fail_at=3)
    with pytest.raises(EngineError, match="a step failed"):
        build(engine, store)
    assert [layer.name for (layer,) in find_layers(PLAN, store, SilentProgress())] == NAMES[:3]
    assert find_image(PLAN, store, SilentProgress()) is None
    engine.fail_at = None
    made = build(engine, store)
    assert engine.built == NAMES
    assert made.fresh == {layer.key for layer in PLAN.layers[3:]}


def test_after_a_failure_the_one_who_waits_goes_on(store: Store) -> None:
    slow, other = FakeEngine(gate=threading.Event(), fail_at=2), FakeEngine()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(build, slow, store)
        assert slow.inside.wait(10)
        two = pool.submit(build, other, store)
        assert slow.gate is not None
        slow.gate.set()
        assert isinstance(one.exception(), EngineError)
        two.result()
    assert (slow.built, other.built) == (NAMES[:2], NAMES[2:])


def test_no_scratch_space_is_left(store: Store) -> None:
    with pytest.raises(EngineError):
        build(FakeEngine(fail_at=1), store)
    build(FakeEngine(), store)
    assert [path.name for path in store.scratch_folder().iterdir()] == ["lock"]


def test_too_few_layers(store: Store) -> None:
    with pytest.raises(EngineError, match="returned 4 of 6 layers"):
        build(FakeEngine(stop_at=4), store)


def test_layers_out_of_order(store: Store) -> None:
    with pytest.raises(EngineError, match="returned layer 1 instead of 0"):
        build(FakeEngine(skip=1), store)
    assert find_layers(PLAN, store, SilentProgress()) == ()


@pytest.mark.parametrize("number", range(5))
def test_a_damaged_layer_is_built_again_with_what_stands_on_it(store: Store, number: int) -> None:
    engine = FakeEngine()
    first = build(engine, store)
    path = store.blob_path(first.image.layers[number].digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    engine.built.clear()
    listener = Listener()
    second = build_image(PLAN, engine, store, lambda _: Path("unused"), listener)
    assert engine.built == NAMES[number:]
    assert second.image == first.image
    assert len(listener.warnings) == 1
