"""What a refresh writes when all images are made, and when some of them are not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.flows.lock_world import World, list_changed, list_versions

from imagefab.flows.locking import Locker, Scope
from imagefab.flows.move import find_move, write_down
from imagefab.lock.file import find_lock_file

NAMES = ("one", "three", "two")


def refresh(world: World, *good: str, names: tuple[str, ...] = NAMES) -> list[str]:
    """Refresh recipes, of which only some have a good image; returns the warnings."""
    reader: Any = world.archive
    progress: Any = world.archive
    scope = Scope(everyone=world.load_recipes(None), recipes=frozenset(names), upgrade=True)
    locker = Locker(world.project, reader, scope)
    world.archive.warnings.clear()
    moves = [find_move(world.project, world.recipes[name], locker, progress, to=None) for name in names]
    done: list[Any] = [SimpleNamespace(move=one) for one in moves if one.prepared.recipe.name in good]
    write_down(world.project, done, locker, progress)
    return world.archive.warnings


@pytest.fixture
def behind(world: World) -> World:
    world.lock()
    world.publish(apt="2", jq="2")
    return world


def test_all_are_good(behind: World) -> None:
    assert refresh(behind, *NAMES) == []
    assert {list_versions(behind.read(name))["apt"] for name in NAMES} == {"2"}
    assert not any(behind.check().values())
    before = behind.texts()
    refresh(behind, *NAMES)
    assert behind.texts() == before


def test_an_image_that_fails_keeps_its_packages(behind: World) -> None:
    old = behind.read("two")
    assert refresh(behind, "one", "three") == [
        "two keeps its packages, and those of its base as they were; they are in its own lock now"
    ]
    assert [list_versions(behind.read(name))["apt"] for name in NAMES] == ["2", "2", "1"]
    assert behind.read("two").platforms == old.platforms
    assert not any(behind.check().values())
    # The next night it is good.
    assert refresh(behind, *NAMES) == []
    assert list_versions(behind.read("two"))["apt"] == "2"
    assert (file := find_lock_file(behind.path("two"))) is not None and file.base is not None


def test_where_no_image_is_good_nothing_is_written(behind: World) -> None:
    before = behind.texts()
    assert refresh(behind) == []
    assert behind.texts() == before


def test_some_recipes_leave_the_base_as_it_is(behind: World) -> None:
    before = behind.texts()
    refresh(behind, "one", names=("one",))
    assert list_changed(before, behind.texts()).keys() == {"one"}
    assert (list_versions(behind.read("one"))["apt"], list_versions(behind.read("one"))["jq"]) == ("1", "2")


def test_a_recipe_that_cannot_be_loaded_keeps_its_packages(behind: World) -> None:
    """It is not among those that are refreshed, but its lock stands on the base."""
    recipe = behind.recipes.pop("two")
    assert len(refresh(behind, "one", "three", names=("one", "three"))) == 1
    behind.recipes["two"] = recipe
    assert [list_versions(behind.read(name))["apt"] for name in NAMES] == ["2", "2", "1"]
