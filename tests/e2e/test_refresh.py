"""The nightly, for real: an archive that moved on since the lock, a registry, a Cross.toml, and what breaks.

Nobody can make the archive move for a test. So a lock is written as it would have been before the last update of a
package: with the version that the archive still has beside the newer one.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.debian.apt import find_mirrors
from imagefab.debian.archive import ArchiveReader
from imagefab.debian.package import Package
from imagefab.fetch.fetcher import Fetcher
from imagefab.flows.prepare import design_blueprints
from imagefab.lock.file import find_lock_file, read_lock, write_lock
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.store.store import Store
from imagefab.toolchains.design import RULES
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.projects import NAMED, snapshot

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

SMALL = 200_000


@dataclass(frozen=True)
class Moved:
    """A package of which the archive has two versions."""

    old: Package
    new: Package


@pytest.fixture(scope="module")
def moved(finished: CommandLine) -> Moved:
    (recipe,) = load_recipes(open_project(finished.folder), RULES, ["one"])
    blueprint = design_blueprints(recipe)[0]
    store = Store(finished.store)
    with Fetcher(store=store, mirrors=find_mirrors({}), progress=SilentProgress(), offline=False) as fetcher:
        universe = ArchiveReader(fetcher, now=datetime.now(UTC)).open_universe(blueprint.archives, ("amd64",))
        for name in sorted(universe.names()):
            versions = universe.packages(name)
            if len({one.version for one in versions}) == 2 and all(is_simple(one) for one in versions):
                new, old = versions
                return Moved(old=old, new=new)
    store.close()
    pytest.fail("the archive has no small package with two versions")


def is_simple(package: Package) -> bool:
    return package.architecture == "all" and package.size < SMALL and not package.dependencies and not package.conflicts


def go_back(line: CommandLine, recipe: str, moved: Moved) -> None:
    """The lock as it was before the update."""
    path = line.folder / "images" / recipe / "imagefab.lock"
    file, archives = find_lock_file(path), read_lock(path, recipe=recipe).archives
    assert file is not None

    def change(pin: object) -> object:
        if getattr(pin, "name", "") != moved.new.name:
            return pin
        one = moved.old
        return replace(pin, version=one.version, archive=one.archive, path=one.path, size=one.size, sha256=one.sha256)  # type: ignore[type-var]

    platforms = tuple(
        replace(p, layers=tuple(replace(x, packages=tuple(map(change, x.packages))) for x in p.layers))  # type: ignore[arg-type]
        for p in file.own.platforms
    )
    assert write_lock(path, replace(file, own=replace(file.own, archives=archives, platforms=platforms)))


@pytest.fixture
def behind(studio: CommandLine, moved: Moved, place: str) -> CommandLine:
    """A project whose second image was published before the update, with a Cross.toml that pins it."""
    (studio.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\n')
    recipe = NAMED.format(name="two", base="trixie").replace(
        "[[files]]", f'[packages]\nhost = ["{moved.new.name}"]\n\n[[files]]'
    )
    (studio.folder / "recipes/two.toml").write_text(recipe)
    studio.run("lock", "two")
    go_back(studio, "two", moved)
    studio.run("render", "two")
    studio.run("build", "two")
    studio.run("check", "two")
    studio.run("publish", "--all")
    (studio.folder / "Cross.toml").write_text("# ours\n")
    studio.run("cross-toml", "two", "--file", studio.folder / "Cross.toml")
    return studio


def test_what_is_new_is_built_checked_published_and_pinned(behind: CommandLine, moved: Moved, tmp_path: Path) -> None:
    """And the second time nothing is."""
    before = snapshot(behind.folder)
    pinned = (behind.folder / "Cross.toml").read_text()
    layers = behind.build("two")["platforms"]["linux/amd64"]["layers"]
    report = tmp_path / "report.md"
    done = behind.run("refresh", "--all", "--publish", "--report", report, "--json", code=10)
    said = json.loads(done.stdout)
    assert said["changed"]
    (image,) = said["images"]
    assert image["recipe"] == "two"
    assert {(one["name"], one["old"], one["new"]) for one in image["packages"]} == {
        (moved.new.name, moved.old.version, moved.new.version)
    }
    assert said["failed"] == said["dead_pins"] == []
    # One image, and in it only the layers from the changed package on.
    assert re.search(r"two: .* (1|2) layers built", done.stderr), done.stderr
    now = behind.build("two")["platforms"]["linux/amd64"]["layers"]
    assert len(now) == len(layers)
    sizes = [one["size"] for one, other in zip(now, layers, strict=True) if one["digest"] != other["digest"]]
    assert 0 < sum(sizes) < sum(one["size"] for one in now) / 20
    # What is pinned is what was published.
    assert image["reference"] in (behind.folder / "Cross.toml").read_text()
    assert image["reference"] not in pinned
    assert pinned.splitlines()[0] == (behind.folder / "Cross.toml").read_text().splitlines()[0]
    subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{image['reference']}"], check=True)
    changed = {Path(path).name for path, state in snapshot(behind.folder).items() if before.get(path) != state}
    # The Dockerfile names no versions; the lock does.
    assert changed == {"imagefab.lock", "checked.toml", "published.toml", "Cross.toml"}
    text = report.read_text()
    for telling in (moved.new.name, moved.old.version, moved.new.version, image["digest"]["before"],
                    image["digest"]["after"], "1 of 2 images changed", "pass"):  # fmt: skip
        assert telling in text
    behind.run("lock", "--check")
    behind.run("render", "--check")
    after = snapshot(behind.folder)
    again = behind.run("refresh", "--all", "--publish", "--report", report)
    assert again.stdout == ""
    assert "0 of 2 images changed" in report.read_text()
    assert snapshot(behind.folder) == after


def test_pins_follow_to_another_place(studio: CommandLine, place: str) -> None:
    settings, cross = studio.folder / "imagefab.toml", studio.folder / "Cross.toml"
    settings.write_text(f'[publish]\nto = "{place}/here"\n')
    studio.run("publish", "one")
    studio.run("cross-toml", "one", "--file", cross)
    assert f"{place}/here/one@" in cross.read_text()
    settings.write_text(f'[publish]\nto = "{place}/there"\n')
    moved = studio.run("refresh", "one", "--publish", "--json", code=10)
    assert json.loads(moved.stdout)["rewritten"] == ["Cross.toml"]
    assert f"{place}/there/one@" in cross.read_text()
    studio.run("refresh", "one", "--publish")


def test_one_that_breaks_keeps_what_it_has(behind: CommandLine, moved: Moved, tmp_path: Path) -> None:
    """The others go on, and the report has its log. A pin that is dead is told with its place, and so is one of which
    nobody says anything. A recipe with a mistake is one that breaks."""
    fragile = NAMED.format(name="fragile", base="trixie").replace(
        "[[files]]", f'[packages]\nhost = ["{moved.new.name}"]\n\n[[files]]'
    )
    fragile += f"""
[[run]]
name = "only with the old one"
script = '''
found=$(dpkg-query --show --showformat '${{Version}}' {moved.new.name})
[ "$found" = "{moved.old.version}" ] || {{ echo "cannot work with $found"; exit 1; }}
'''
"""
    (behind.folder / "recipes/fragile.toml").write_text(fragile)
    behind.run("lock", "fragile")
    go_back(behind, "fragile", moved)
    behind.run("render", "fragile")
    behind.run("build", "fragile")
    before = snapshot(behind.folder / "images/fragile")
    (behind.folder / "recipes/wrong.toml").write_text(
        NAMED.format(name="wrong", base="trixie").replace('"gcc"', '"gc"')
    )
    silent = f"acme/x@sha256:{'a' * 64}"
    with (behind.folder / "Cross.toml").open("a") as file:
        file.write(f'\n[target.i686-unknown-linux-gnu]\nimage = "{silent}"\n')
    digest = behind.build("one")["digest"]
    # Somebody cleans the registry up.
    published = (behind.folder / "images/one/published.toml").read_text()
    found = re.search(r'name = "([^/]+)/(.*)"', published)
    assert found is not None
    url = f"http://{found[1]}/v2/{found[2]}/manifests/{digest}"
    subprocess.run(["curl", "--silent", "--fail", "--request", "DELETE", url], check=True)
    report = tmp_path / "report.md"
    done = behind.run("refresh", "--all", "--report", report, "--json", code=3)
    said = json.loads(done.stdout)
    assert [one["recipe"] for one in said["images"]] == ["two"]
    assert [one["recipe"] for one in said["failed"]] == ["wrong", "fragile"]
    assert [one["image"] for one in said["silent_pins"]] == [silent]
    assert [one["used_in"] for one in said["dead_pins"]] == [["images/one/published.toml"]]
    assert snapshot(behind.folder / "images/fragile") == before
    text = report.read_text()
    assert "unknown kind" in text
    assert "of 4 images changed, 2 failed, 1 pins are dead" in text
    assert silent in text
    assert f"cannot work with {moved.new.version}" in text
    assert "images/one/published.toml" in text
    assert digest in text


def test_bad_input(studio: CommandLine, tmp_path: Path) -> None:
    studio.run("refresh", "--all", "one", code=2)
    studio.run("refresh", "nobody", code=2)
    studio.run("refresh", "--report", tmp_path / "no/such/folder.md", code=2)
    studio.run("refresh", "--publish", code=2)
    studio.run("refresh", "--to", "ghcr.io/acme", code=2)
    assert "there is no file" in studio.run("refresh", "--file", tmp_path / "no/Cross.toml", code=2).stderr
    (studio.folder / "Cross.toml").write_text("[")
    studio.run("refresh", code=3)
