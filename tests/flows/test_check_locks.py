"""`lock --check`: what is older than at a trusted revision, bases included."""

from __future__ import annotations

from typing import Any

from tests.flows.lock_world import World

from imagefab.flows.check_locks import _Found, _list_backwards, _Trusted
from imagefab.flows.prepare import design_blueprints
from imagefab.lock.file import find_lock_file, read_lock


def list_older(world: World, name: str) -> list[str]:
    """What a lock has that is older than in `world.trusted`."""
    workspace: Any = world
    path = world.path(name)
    file, lock = find_lock_file(path, recipe=name), read_lock(path, recipe=name)
    assert file is not None
    blueprints = design_blueprints(world.recipes["one"])
    found = _Found(path=path, file=file, lock=lock, blueprints=blueprints)
    errors = _list_backwards(found, _Trusted(workspace), world.project.show)
    return [error.problem.splitlines()[-1] for error in errors]


def trust(world: World) -> None:
    root = world.project.root
    world.trusted = {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("imagefab.lock")}


def test_a_base_that_goes_back(world: World) -> None:
    world.lock()
    old = {name: world.path(name).read_text() for name in ("bases/debian", "bases/tools", "one", "two", "three")}
    world.publish(apt="2")
    world.lock(upgrade=True)
    trust(world)
    assert not any(list_older(world, name) for name in old)
    for name, text in old.items():
        world.path(name).write_text(text)
    dates = "the mirror has the archive of 2026-01-04 00:00, and the lock is of 2026-01-05 00:00"
    assert list_older(world, "bases/debian") == [f"trixie: {dates}"]
    # Its own part is as it was, and what it stands on is older.
    assert list_older(world, "one") == ["  apt:arm64 2 → 1"]


def test_recipes_that_stay_while_their_base_moves(world: World) -> None:
    """Their own packages are of an older state of the archive than the base's, which is no step back."""
    world.lock()
    trust(world)
    world.publish(apt="2")
    world.lock("bases/tools", upgrade=True)
    assert list_older(world, "one") == list_older(world, "bases/tools") == []
    trust(world)
    assert list_older(world, "one") == list_older(world, "bases/tools") == []


def test_pins_of_any_trusted_lock_are_known(world: World) -> None:
    world.lock()
    trust(world)
    workspace: Any = world
    known = _Trusted(workspace).known["debian", "trixie"]
    assert {"apt", "make", "jq"} <= {pin.name for pin in known}
