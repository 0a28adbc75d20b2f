"""Locks that were made when bases had none: read, and written again without moving a pin."""

from __future__ import annotations

import shutil

import pytest
from tests.flows.lock_world import World, list_versions
from tests.sample_recipe import make_recipe

from imagefab.errors import ImagefabError
from imagefab.lock.file import find_lock_file
from imagefab.recipe.model import Additions


def age(world: World, *names: str) -> None:
    """Make locks as they were when bases had none."""
    locks = [world.read(name) for name in names]
    shutil.rmtree(world.project.images_dir / "bases")
    for lock in locks:
        world.write_old(lock)


def test_older_locks_are_written_again_and_nothing_moves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.lock()
    texts = world.texts()
    age(world, "one", "two", "three")
    assert world.texts().keys() == {"one", "two", "three"}
    assert list_versions(world.read("one"))["apt"] == "1", "it can be built from"
    assert world.check() == {
        name: [f"images/{name}/imagefab.lock is of the older format 1: its bases have no locks of their own"]
        for name in ("one", "three", "two")
    }
    world.publish(apt="2", jq="2", make="2")
    world.go_offline(monkeypatch)
    updates = world.lock()
    assert world.texts() == texts
    assert all(update.changed and not update.first and not update.packages for update in updates.values())


def test_one_of_them_is_enough(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.lock()
    texts = world.texts()
    age(world, "one", "two", "three")
    world.go_offline(monkeypatch)
    assert list(world.lock("two")) == ["bases/debian", "bases/tools", "two"]
    assert {name for name, text in world.texts().items() if text == texts[name]} == {
        "bases/debian",
        "bases/tools",
        "two",
    }
    assert list_versions(world.read("one"))["apt"] == "1"


def test_older_locks_that_differ_keep_what_they_have(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.lock()
    locks = [world.read("one"), world.read("three")]
    world.publish(apt="2", jq="2")
    world.lock(upgrade=True)
    age(world, "two")
    for lock in locks:
        world.write_old(lock)
    with monkeypatch.context() as patch:
        world.go_offline(patch)
        world.lock()
    files = {name: find_lock_file(world.path(name)) for name in ("one", "two", "three")}
    assert {name: file.base is None for name, file in files.items() if file} == {
        "one": False,
        "two": True,
        "three": False,
    }
    assert [list_versions(world.read(name))["apt"] for name in ("one", "two", "three")] == ["1", "2", "1"]
    assert not any(world.check().values())
    world.lock("two")
    assert list_versions(world.read("two"))["apt"] == "2"
    # Its base has older packages, so it can't be upgraded alone.
    (error,) = [one for one in dict(world.try_lock("two", upgrade=True)).values() if isinstance(one, ImagefabError)]
    assert "packages would go back to older versions\n  apt:" in error.problem
    world.lock(upgrade=True)
    assert all((file := find_lock_file(world.path(name))) and file.base for name in ("one", "two", "three"))
    assert list_versions(world.read("one"))["apt"] == "2"


def test_older_locks_of_recipes_that_changed(world: World) -> None:
    world.lock()
    age(world, "one", "two", "three")
    for name in ("one", "two", "three"):
        world.add(make_recipe(name=name, additions=Additions(host_packages=("jq", "git"))))
    world.publish(apt="2", jq="2", git="2")
    world.lock()
    found = list_versions(world.read("one"))
    assert (found["apt"], found["jq"], found["git"]) == ("1", "1", "2")
    assert not any(world.check().values())


def test_an_upgrade_of_older_locks(world: World) -> None:
    world.lock()
    age(world, "one", "two", "three")
    world.publish(apt="2", jq="2")
    world.lock(upgrade=True)
    assert {list_versions(world.read(name))["apt"] for name in ("one", "two", "three")} == {"2"}
    assert not any(world.check().values())
