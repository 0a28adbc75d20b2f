"""Locks of recipes that share bases: what they share, what moves, and what follows."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from tests.flows.lock_world import World, list_changed, list_versions
from tests.sample_recipe import ROOT, SMALL, TOOLS, make_recipe

from imagefab.errors import ImagefabError, StaleError
from imagefab.flows.lock import LockUpdate
from imagefab.flows.locking import Locked, Locker
from imagefab.recipe.model import Additions, Base, Recipe


def test_recipes_share_the_locks_of_their_bases(world: World) -> None:
    assert list(world.lock()) == ["bases/debian", "bases/tools", "one", "three", "two"]
    texts = world.texts()
    assert texts.keys() == {"bases/debian", "bases/tools", "one", "two", "three"}
    assert {"apt", "make", "jq"} <= list_versions(world.read("one")).keys()
    assert not any(' "apt ' in line or ' "make ' in line for line in texts["one"])
    assert not any(' "apt ' in line for line in texts["bases/tools"])
    assert [line for line in texts["one"] if line.startswith("base")] == [
        'base = "tools"', f"base-{texts['bases/tools'][1]}"
    ]  # fmt: skip
    assert world.check() == {name: [] for name in ("bases/debian", "bases/tools", "one", "three", "two")}
    assert [update.changed for update in world.lock().values()] == [False] * 3


def test_a_security_update_in_a_base_is_one_line(world: World) -> None:
    world.lock()
    before = world.texts()
    world.publish("apt 2 amd64")
    updates = world.lock(upgrade=True)
    changed = list_changed(before, world.texts())
    assert changed.keys() == {"bases/debian", "bases/tools", "one", "two", "three"}
    packages = {name: [line for line in lines if line.startswith("  ")] for name, lines in changed.items()}
    assert [line.split()[:3] for line in packages.pop("bases/debian")] == [['"apt', "2", "amd64"]]
    assert not any(packages.values())
    for name in ("one", "two", "three", "bases/tools"):
        assert [line.partition(" = ")[0] for line in changed[name]] == ["checksum", "base-checksum"]
    assert [str(change) for change in updates["bases/debian"].packages] == ["apt:amd64 1 → 2"]
    assert updates["one"].packages == ()
    assert list_versions(world.read("two"))["apt"] == "2"


def test_an_upgrade_of_one_recipe_leaves_the_base_to_all(world: World) -> None:
    world.lock()
    before = world.texts()
    world.publish(apt="2", jq="2", make="2")
    updates = world.lock("one", upgrade=True)
    assert list_changed(before, world.texts()).keys() == {"one"}
    assert (list_versions(world.read("one"))["apt"], list_versions(world.read("one"))["jq"]) == ("1", "2")
    assert updates["bases/tools"].note == (
        "kept, as 2 other recipes are on it too; `imagefab lock --upgrade bases/tools` moves it for all"
    )
    assert "bases/debian" not in updates
    assert not any(world.check().values())


def test_a_base_moves_for_all_that_are_on_it(world: World) -> None:
    world.add(make_recipe(name="bare", bases=(ROOT,)))
    world.lock()
    before = world.texts()
    world.publish(apt="2", jq="2", make="2")
    updates = world.lock("bases/tools", upgrade=True)
    assert list(updates) == ["bases/debian", "bases/tools", "bare", "one", "three", "two"]
    assert list_changed(before, world.texts()).keys() == world.texts().keys()
    for name in ("one", "two", "three"):
        found = list_versions(world.read(name))
        assert (found["apt"], found["make"], found["jq"]) == ("2", "2", "1")
    assert not any(world.check().values())


def test_a_base_moves_when_all_recipes_on_it_are_upgraded(world: World) -> None:
    world.add(make_recipe(name="bare", bases=(ROOT,)))
    world.lock()
    world.publish(apt="2", make="2")
    updates = world.lock("one", "two", "three", upgrade=True)
    assert updates["bases/tools"].changed and "bases/debian" not in updates
    assert (list_versions(world.read("one"))["apt"], list_versions(world.read("one"))["make"]) == ("1", "2")
    assert list_versions(world.read("bare"))["apt"] == "1"


def test_the_archives_that_moved_on_without_the_base(world: World) -> None:
    """A recipe's pins may be newer than its base's. The joined lock says when the archive had the older ones."""
    world.lock()
    world.publish(apt="2", jq="2")
    world.lock("one", upgrade=True)
    lock = world.read("one")
    assert [archive.date for archive in lock.archives] == ["20260105T000000Z"]
    seen = {pin.name: pin.seen for layer in lock.platforms[0].layers for pin in layer.packages}
    assert seen["apt"] == "20260104T000000Z" and seen["jq"] is None
    world.publish(apt="3")
    world.lock("bases/tools", upgrade=True)
    lock = world.read("one")
    seen = {pin.name: pin.seen for layer in lock.platforms[0].layers for pin in layer.packages}
    assert seen["apt"] is None and seen["jq"] == "20260105T000000Z"
    assert list_versions(lock)["apt"] == "3"


def test_where_the_base_stays_its_siblings_in_other_architectures_do(world: World) -> None:
    """`Multi-Arch: same` packages are of one version in all architectures."""
    world.publish(*(f"libssl-dev 1 {one}; Multi-Arch: same" for one in ("amd64", "arm64")))
    root = replace(ROOT, additions=replace(ROOT.additions, host_packages=("apt", "libssl-dev")))
    for name in ("one", "two", "three"):
        world.add(make_recipe(name=name, bases=(root, TOOLS)))
    world.lock()
    world.lines = []
    world.publish(*(f"libssl-dev 2 {one}; Multi-Arch: same" for one in ("amd64", "arm64")), jq="2")
    world.lock("one", upgrade=True)
    pins = {f"{pin.name}:{pin.architecture}": pin.version
            for layer in world.read("one").platforms[0].layers for pin in layer.packages}  # fmt: skip
    assert (pins["libssl-dev:amd64"], pins["libssl-dev:arm64"], pins["jq:amd64"]) == ("1", "1", "2")
    world.lock(upgrade=True)
    assert list_versions(world.read("one"))["libssl-dev"] == "2"


def test_a_recipe_that_does_not_go_with_its_base_says_how_to_move_that(world: World) -> None:
    world.lock()
    world.lines = ["new 1 amd64; Depends: apt (>= 2)", "new 1 arm64; Depends: apt (>= 2)"]
    world.add(make_recipe(name="four", additions=Additions(host_packages=("new",))))
    world.publish(apt="2")
    (error,) = [one for one in dict(world.try_lock("four")).values() if isinstance(one, ImagefabError)]
    assert error.exit_code == 3 and error.hint is not None
    assert "`imagefab lock --upgrade bases/tools` moves it, for all recipes on it" in error.hint
    world.lock("bases/tools", upgrade=True)
    assert list_versions(world.read("four"))["apt"] == "2"


def test_a_package_of_the_base_that_is_nowhere(world: World) -> None:
    world.lock()
    world.publish(apt="2")
    world.archive.gone.add("apt")
    world.add(make_recipe(name="four"))
    (error,) = [one for one in dict(world.try_lock("four")).values() if isinstance(one, ImagefabError)]
    assert (
        error.exit_code == 6 and "a package of `bases/tools` is gone from the archive: apt 1 is gone" in error.problem
    )


def test_a_base_that_changes_is_locked_again_and_others_follow(world: World) -> None:
    world.lock()
    tools = replace(TOOLS, additions=replace(TOOLS.additions, host_packages=("make", "file", "cmake")))
    for name in ("one", "two", "three"):
        world.add(make_recipe(name=name, bases=(ROOT, tools)))
    assert all(world.check()[name] for name in ("bases/tools", "one", "two", "three"))
    updates = world.lock("one")
    assert "cmake" in list_versions(world.read("one"))
    assert updates["bases/tools"].note == "2 other recipes on it must be locked again: run `imagefab lock`"
    with pytest.raises(StaleError):
        world.read("two")
    world.lock()
    assert not any(world.check().values())


def test_a_base_has_all_platforms_that_recipes_on_it_have(world: World) -> None:
    for name in ("one", "two", "three"):
        world.add(make_recipe(name=name, platforms=("linux/amd64",)))
    world.lock()
    assert "linux/arm64" not in "".join(world.texts()["bases/tools"])
    world.add(make_recipe(name="two"))
    with pytest.raises(StaleError):
        world.read("two")
    updates = world.lock("two")
    assert updates["bases/tools"].note == "2 other recipes on it must be locked again: run `imagefab lock`"
    assert [one.platform for one in world.read("two").platforms] == ["linux/amd64", "linux/arm64"]
    world.lock()
    assert [one.platform for one in world.read("one").platforms] == ["linux/amd64"]
    assert not any(world.check().values())


def test_a_lock_follows_its_base_without_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a merge: the base is the one side's, a recipe's lock the other's, and the store has the packages."""
    world.lock()
    mine = world.texts()["one"]
    world.publish(apt="2")
    world.lock("bases/tools", upgrade=True)
    theirs = world.texts()
    world.path("one").write_text("\n".join(mine) + "\n")
    (problem,) = world.check()["one"]
    assert problem == (
        "images/one/imagefab.lock was made on another state of the base `tools`"
        " than images/bases/tools/imagefab.lock has"
    )
    for digest, content in world.archive.files.items():
        world.archive.blob_path(digest).write_bytes(content)
    world.go_offline(monkeypatch)
    assert world.lock()["one"].changed
    assert world.texts() == theirs


def test_what_the_store_lacks_is_asked_of_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.lock()
    mine = world.texts()["one"]
    world.publish(apt="2")
    world.lock("bases/tools", upgrade=True)
    world.path("one").write_text("\n".join(mine) + "\n")
    world.go_offline(monkeypatch)
    (error,) = [one for one in dict(world.try_lock()).values() if isinstance(one, ImagefabError)]
    assert error.exit_code == 6


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_recipe_that_fails_does_not_stop_the_others(world: World) -> None:
    """Its lock stays usable: it has the base as it was in itself."""
    world.lock()
    old = world.read("two")
    world.lines = ["only 1 amd64; Depends: apt (<< 2)", "only 1 arm64; Depends: apt (<< 2)"]
    world.add(make_recipe(name="two", additions=Additions(host_packages=("only",))))
    world.lock()
    before = world.read("two")
    world.publish(apt="2")
    found = dict(world.try_lock(upgrade=True))
    assert isinstance(found["error"], ImagefabError)
    assert isinstance(found["one"], LockUpdate) and list_versions(world.read("one"))["apt"] == "2"
    assert replace(before, bases=()) == world.read("two") != old
    assert "two keeps its packages, and those of its base as they were" in world.archive.warnings[-1]
    assert not any(world.check().values())
    world.add(make_recipe(name="two"))
    world.lock(upgrade=True)
    assert list_versions(world.read("two"))["apt"] == "2"


def test_an_interrupted_run_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipes' locks would be stale as long as their base's is another."""
    world.lock()
    before = world.texts()
    world.publish(apt="2")

    def interrupt(self: Locker, recipe: Recipe) -> Locked:
        if recipe.name == "two":
            raise KeyboardInterrupt
        return lock_recipe(self, recipe)

    lock_recipe = Locker.lock_recipe
    monkeypatch.setattr(Locker, "lock_recipe", interrupt)
    with pytest.raises(KeyboardInterrupt):
        world.lock(upgrade=True)
    assert world.texts() == before


def test_a_base_that_fails_is_told_once(world: World) -> None:
    tools = replace(TOOLS, additions=replace(TOOLS.additions, host_packages=("make", "nothing-such")))
    for name in ("one", "two", "three"):
        world.add(make_recipe(name=name, bases=(ROOT, tools)))
    world.archive.publish(*(line for line in world.archive.lines if "nothing-such" not in line), days=9)
    errors = [one for _, one in world.try_lock() if isinstance(one, ImagefabError)]
    assert len(errors) == 1 and "bases/tools, layer tools, linux/amd64: there is no package nothing-such" in str(
        errors[0]
    )
    assert world.texts().keys() == {"bases/debian"}


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("missing", "there is no images/bases/tools/imagefab.lock, which locks on the base `tools` need"),
        ("by hand", "images/bases/tools/imagefab.lock: was changed by hand or by a merge: its checksum does not fit"),
        ("merged", "images/bases/tools/imagefab.lock: has the conflict markers of a merge"),
        ("newer", "images/bases/tools/imagefab.lock: is of format 3, this imagefab reads format 2"),
        ("of another", "images/bases/tools/imagefab.lock is the lock of `bases/debian`, not of the base `tools`"),
        ("of a recipe", "images/bases/tools/imagefab.lock is the lock of `two`, not of the base `tools`"),
        ("below", "there is no images/bases/debian/imagefab.lock, which locks on the base `debian` need"),
    ],
)
def test_a_base_without_a_good_lock(world: World, how: str, told: str) -> None:
    world.lock()
    texts = world.texts()
    path = world.path("bases/tools")
    match how:
        case "missing":
            path.unlink()
        case "by hand":
            path.write_text(path.read_text().replace('"make 1 ', '"make 2 '))
        case "merged":
            path.write_text(path.read_text().replace("format", "<<<<<<< HEAD\n=======\n>>>>>>> x\nformat", 1))
        case "newer":
            path.write_text(path.read_text().replace("format = 2", "format = 3"))
        case "of another":
            shutil.copy(world.path("bases/debian"), path)
        case "of a recipe":
            shutil.copy(world.path("two"), path)
        case "below":
            world.path("bases/debian").unlink()
    with pytest.raises(StaleError) as caught:
        world.read("one")
    assert (caught.value.exit_code, caught.value.problem) == (4, told)
    assert caught.value.hint is not None and "imagefab lock" in caught.value.hint
    assert told in world.check()["one"]
    if how == "newer":
        assert any(isinstance(one, StaleError) for one in dict(world.try_lock()).values())
        world.lock(upgrade=True)
    else:
        world.lock()
    assert world.texts() == texts


def test_bases_that_stand_on_each_other(world: World) -> None:
    world.lock()
    path = world.path("bases/debian")
    path.write_text(world.path("bases/tools").read_text().replace('base = "debian"', 'base = "tools"'))
    with pytest.raises(StaleError, match=r"bases/debian/imagefab\.lock"):
        world.read("one")


def test_a_base_that_nothing_is_on(world: World) -> None:
    with pytest.raises(ImagefabError, match="no recipe is on a base `nothing`") as caught:
        world.lock("bases/nothing")
    assert caught.value.exit_code == 2


def test_a_base_between(world: World) -> None:
    """A base on a base on a base, which adds no packages."""
    flags = Base(name="flags", description="flags", additions=Additions(env=(("CFLAGS", "-O2"),)))
    world.add(make_recipe(name="four", bases=(*SMALL.bases, flags)))
    world.lock()
    assert 'base = "flags"' in world.texts()["four"]
    assert [layer.name for layer in world.read("four").platforms[0].layers[:2]] == ["base", "tools"]
    assert not any(world.check().values())
