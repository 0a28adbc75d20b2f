"""Making locks: which pins stay and which move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.lock.fake_archive import START, FakeArchive

from imagefab.digest import Digest
from imagefab.errors import FetchError, OptionError, RecipeError
from imagefab.lock.backwards import refuse_older_packages
from imagefab.lock.make import make_lock
from imagefab.lock.model import Lock
from imagefab.lock.staleness import compare_locks, inputs_digest, is_stale
from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Archive, SourceSpec
from imagefab.toolchains.blueprint import GLIBC_CLAIM, Blueprint, LayerSpec

TRIXIE = Archive(name="trixie", archive="debian", suite="trixie")


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    return FakeArchive(tmp_path)


def blueprints(
    *packages: str, env: str = "", layers: Sequence[LayerSpec] = (), archive: Archive = TRIXIE
) -> list[Blueprint]:
    return [
        Blueprint(
            recipe="r",
            target="t",
            platform=platform,
            archives=(archive,),
            layers=(LayerSpec(name="base", comment="", packages=packages), *layers),
            env=(("X", env),),
            labels=(),
        )
        for platform in (AMD64, ARM64)
    ]


def versions(lock: Lock) -> list[str]:
    return [f"{pin.name}={pin.version}" for layer in lock.platforms[0].layers for pin in layer.packages]


BOTH = ("a 1 all", "b 1 all")


def test_a_first_lock(archive: Any) -> None:
    archive.publish(*BOTH)
    lock = make_lock(blueprints("a"), archive)
    assert (lock.recipe, lock.epoch) == ("r", int(START.timestamp()))
    assert lock.inputs == inputs_digest(blueprints("a"))
    assert [found.platform for found in lock.platforms] == ["linux/amd64", "linux/arm64"]
    assert versions(lock) == ["a=1"]
    assert lock.archives[0].date == "20260101T000000Z"
    assert not is_stale(lock, blueprints("a")) and is_stale(lock, blueprints("b"))


def test_an_unchanged_recipe_keeps_its_lock(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 2 all", days=1)
    assert make_lock(blueprints("a"), archive, old=old) is old


def test_an_upgrade_moves(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 2 all", days=1)
    new = make_lock(blueprints("a"), archive, old=old, upgrade=True)
    assert versions(new) == ["a=2"]
    assert new.epoch > old.epoch and new.archives != old.archives
    assert [str(change) for change in compare_locks(old, new)] == ["a:all 1 → 2", "a:all 1 → 2"]


def test_an_upgrade_with_nothing_new_changes_nothing(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 1 all", "c 7 all", days=9)
    new = make_lock(blueprints("a"), archive, old=old, upgrade=True)
    assert new == old


def test_a_changed_recipe_keeps_pins_and_date(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 1 all", "a 2 all", "b 2 all", days=1)
    new = make_lock(blueprints("a", "b"), archive, old=old)
    assert versions(new) == ["a=1", "b=2"]
    assert new.epoch == old.epoch
    assert new.archives[0].date == "20260102T000000Z"


def test_a_change_that_moves_no_package_keeps_the_archives_state(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 1 all", "a 2 all", days=1)
    assert make_lock(blueprints("a", env="new"), archive, old=old) == replace(
        old, inputs=inputs_digest(blueprints("a", env="new"))
    )


def test_a_pin_that_the_archive_left_behind_stays(archive: Any) -> None:
    archive.publish("a 1 all; Depends: l (>= 1)", "l 1 all")
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 2 all", "b 2 all", "l 2 all", days=1)
    new = make_lock(blueprints("a", "b"), archive, old=old)
    assert versions(new) == ["a=1", "b=2", "l=1"]
    seen = {pin.name: pin.seen for pin in new.platforms[0].layers[0].packages}
    assert seen == {"a": "20260101T000000Z", "b": None, "l": "20260101T000000Z"}
    archive.publish("b 3 all", "c 1 all", days=2)
    same = make_lock(blueprints("a", "b", env="x"), archive, old=new)
    assert (same.platforms, same.archives) == (new.platforms, new.archives)
    newer = make_lock(blueprints("a", "b", "c"), archive, old=new)
    assert {pin.name: pin.seen for pin in newer.platforms[0].layers[0].packages} == seen | {
        "b": "20260102T000000Z",
        "c": None,
    }


def test_a_pin_that_is_not_served_moves(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 2 all", "b 1 all", days=1)
    archive.gone.add("a")
    assert versions(make_lock(blueprints("a", "b"), archive, old=old)) == ["a=2", "b=1"]
    assert "a 1 can't be kept: a 1 is gone" in archive.warnings[0]


def test_pins_in_the_way_move(archive: Any) -> None:
    archive.publish("a 1 all", "l 1 all", "k 1 all")
    old = make_lock(blueprints("a", "l", "k"), archive)
    archive.publish("a 2 all", "l 2 all", "k 2 all", "new 1 all; Depends: l (>= 2)", days=1)
    layers = [LayerSpec(name="top", comment="", packages=("new",))]
    assert versions(make_lock(blueprints("a", "l", "k", layers=layers), archive, old=old)) == [
        "a=1", "k=1", "l=2", "new=1"
    ]  # fmt: skip


def test_pins_of_another_suite_do_not_count(archive: Any) -> None:
    archive.publish(*BOTH)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 2 all", days=1)
    sid = Archive(name="trixie", archive="debian", suite="sid")
    new = make_lock(blueprints("a", archive=sid), archive, old=old)
    assert versions(new) == ["a=2"] and new.epoch > old.epoch and archive.fetched == []


def test_where_indexes_are_missing_an_upgrade_does_not_go_back(archive: Any) -> None:
    layers = [LayerSpec(name="top", comment="", packages=("f:riscv64",), architectures=("riscv64",))]
    archive.publish("a 1 all", "f 2 riscv64")
    old = make_lock(blueprints("a", layers=layers), archive)
    archive.publish("a 2 all", "f 1 riscv64", days=1)
    archive.incomplete = {"riscv64"}
    new = make_lock(blueprints("a", layers=layers), archive, old=old, upgrade=True)
    assert versions(new) == ["a=2", "f=2"]


def test_an_older_state_of_an_archive_is_refused(archive: Any) -> None:
    """It is validly signed, and has the holes that were closed since."""
    archive.publish("a 2 all", days=9)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 1 all", "b 1 all", days=1)
    for wanted, upgrade in ((blueprints("a"), True), (blueprints("a", "b"), False)):
        with pytest.raises(
            FetchError, match="the mirror has the archive of 2026-01-02 00:00, and the lock is of 2026-01-10"
        ):
            make_lock(wanted, archive, old=old, upgrade=upgrade)
    new = make_lock(blueprints("a"), archive, old=old, upgrade=True, allow_downgrade=True)
    assert versions(new) == ["a=1"] and new.archives[0].date == "20260102T000000Z"


def test_packages_that_would_go_back_are_named(archive: Any) -> None:
    archive.publish("a 1:2 all", "b 1.10 amd64", "b 1.10 arm64", "c 1 all")
    old = make_lock(blueprints("a", "b", "c"), archive)
    archive.publish("a 3 all", "b 1.9 amd64", "b 1.11 arm64", "c 2 all", days=1)
    with pytest.raises(FetchError) as caught:
        make_lock(blueprints("a", "b", "c"), archive, old=old, upgrade=True)
    assert caught.value.problem.splitlines() == [
        "r: packages would go back to older versions",
        "  a:all 1:2 → 3",
        "  b:amd64 1.10 → 1.9",
    ]
    assert caught.value.hint is not None and "--allow-downgrade r" in caught.value.hint
    new = make_lock(blueprints("a", "b", "c"), archive, old=old, upgrade=True, allow_downgrade=True)
    assert versions(new) == ["a=3", "b=1.9", "c=2"]


def test_another_suite_may_have_older_packages(archive: Any) -> None:
    archive.publish("a 2 all", days=9)
    old = make_lock(blueprints("a"), archive)
    archive.publish("a 1 all")
    bookworm = Archive(name="bookworm", archive="debian", suite="bookworm")
    assert versions(make_lock(blueprints("a", archive=bookworm), archive, old=old, upgrade=True)) == ["a=1"]


def test_two_versions_of_one_package_are_compared_each(archive: Any) -> None:
    """One is installed, and another one is opened."""
    archive.publish("a 7 all")
    layer = make_lock(blueprints("a"), archive)
    (pin,) = layer.platforms[0].layers[0].packages

    def lock(*found: str) -> Lock:
        pins = tuple(replace(pin, version=version) for version in found)
        layers = (replace(layer.platforms[0].layers[0], packages=pins[:1], extracts=pins[1:]),)
        return replace(layer, platforms=(replace(layer.platforms[0], layers=layers),))

    for now in (("7", "10"), ("10",), ("11", "7"), ("10", "8")):
        refuse_older_packages(lock("7", "10"), lock(*now))
    refuse_older_packages(lock("10"), lock("7", "10"))
    for now in (("6", "10"), ("7",), ("7", "9")):
        with pytest.raises(FetchError, match="would go back"):
            refuse_older_packages(lock("7", "10"), lock(*now))


def test_a_claim_that_does_not_hold_is_an_error(archive: Any) -> None:
    archive.publish("libc6 2.36-9 amd64", "libc6 2.36-9 arm64")
    claims = [
        replace(blueprint, target="aarch64-unknown-linux-gnu", labels=((GLIBC_CLAIM, "2.31"),))
        for blueprint in blueprints("libc6")
    ]
    with pytest.raises(OptionError, match=r"r claims glibc 2\.31, but what it links may need 2\.36"):
        make_lock(claims, archive)


def test_sources(archive: Any) -> None:
    archive.publish(*BOTH)
    one, other = Digest.of_bytes(b"1"), Digest.of_bytes(b"2")

    def with_sources(*digests: Digest) -> list[Blueprint]:
        sources = tuple(SourceSpec(name="sdk", url="https://x", sha256=digest) for digest in digests)
        return blueprints("a", layers=[LayerSpec(name="top", comment="", sources=sources)])

    assert [(s.name, s.sha256) for s in make_lock(with_sources(one, one), archive).sources] == [("sdk", one)]
    with pytest.raises(RecipeError, match="two different sources are called sdk"):
        make_lock(with_sources(one, other), archive)


def test_what_changed(archive: Any) -> None:
    archive.publish("a 1 all", "b 1 amd64", "b 1 arm64")
    old = make_lock(blueprints("a", "b"), archive)
    archive.publish("a 2 all", "c 1 all", days=1)
    new = make_lock(blueprints("a", "c"), archive, upgrade=True)
    assert [f"{c.platform} {c}" for c in compare_locks(old, new)[:3]] == [
        "linux/amd64 a:all 1 → 2",
        "linux/amd64 b:amd64 1 → (none)",
        "linux/amd64 c:all (none) → 1",
    ]
    assert compare_locks(new, new) == ()
    assert [change.old for change in compare_locks(None, new)] == [None] * 4
