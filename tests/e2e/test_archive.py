"""The real archive: its signatures hold with the keys that ship, and locking from what was seen takes no time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.errors import FetchError
from imagefab.factory import design_blueprints
from imagefab.lock.file import read_lock
from imagefab.lock.make import make_lock
from imagefab.lock.staleness import platform_pins
from imagefab.oci.store import Store
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.project import open_project
from imagefab.sources.debian.archive import ArchiveReader
from imagefab.sources.debian.release import read_release
from imagefab.sources.fetch import Fetcher
from imagefab.sources.mirrors import find_mirrors
from tests.e2e.conftest import ROOT, CommandLine

pytestmark = pytest.mark.archive


@pytest.fixture(scope="module")
def fetcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fetcher]:
    store = Store(tmp_path_factory.mktemp("archive"))
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as made:
        yield made
    store.close()


def read_bytes(fetcher: Fetcher, archive: str, suite: str) -> bytes:
    return fetcher.read_unpinned(archive, f"dists/{suite}/InRelease", most=8 << 20, accept=lambda data: data)


@pytest.mark.parametrize(
    ("archive", "suite"),
    [
        *(("debian", suite) for suite in ("trixie", "trixie-updates", "bookworm", "bookworm-updates", "bullseye")),
        *(("debian-security", suite) for suite in ("trixie-security", "bookworm-security")),
    ],
)
def test_the_shipped_keys_verify_the_real_archives(fetcher: Fetcher, archive: str, suite: str) -> None:
    data = read_bytes(fetcher, archive, suite)
    release = read_release(data, suite=suite, now=datetime.now(UTC))
    assert suite in release.names and release.find_file("main/binary-amd64/Packages.xz")
    with pytest.raises(FetchError, match="signature"):
        read_release(data.replace(b"amd64", b"amd46", 1), suite=suite, now=datetime.now(UTC))


def test_all_recipes_lock_in_seconds_when_the_indexes_are_there(fetcher: Fetcher) -> None:
    from imagefab.toolchains.design import RULES

    project = open_project(ROOT)
    designs = [design_blueprints(recipe) for recipe in load_recipes(project, RULES, list_recipes(project))]

    def lock_all() -> float:
        started = time.monotonic()
        reader = ArchiveReader(fetcher, now=datetime.now(UTC))
        locks = [make_lock(blueprints, reader, upgrade=True) for blueprints in designs]
        assert all(found.platforms for found in locks)
        return time.monotonic() - started

    lock_all()
    assert lock_all() < 0.5 * len(designs) + 1


def test_one_state_of_the_archive_gives_one_lock(fetcher: Fetcher, tmp_path: Path) -> None:
    from imagefab.toolchains.design import RULES

    (recipe,) = load_recipes(open_project(ROOT), RULES, ["aarch64-musl"])
    blueprints = design_blueprints(recipe)
    readers = [ArchiveReader(fetcher, now=datetime.now(UTC)) for _ in range(2)]
    assert make_lock(blueprints, readers[0]) == make_lock(blueprints, readers[1])


def test_an_emulator_from_backports(shipped: Path, tmp_path: Path) -> None:
    """It alone comes from there; what is installed does not change."""
    folder = tmp_path / "project"
    shutil.copytree(shipped / "recipes" / "bases", folder / "recipes" / "bases")
    text = (shipped / "recipes" / "aarch64-gnu.toml").read_text()
    (folder / "recipes" / "old.toml").write_text(text)
    (folder / "recipes" / "new.toml").write_text(f'{text}qemu-suite = "trixie-backports"\n')
    CommandLine(tmp_path / "store", folder).run("lock")
    pins = {}
    for name in ("old", "new"):
        lock = read_lock(folder / "images" / name / "imagefab.lock", recipe=name, shown=name)
        pins[name] = {pin.name: (pin.version, pin.archive) for pin in platform_pins(lock, "linux/amd64")}
    assert pins["new"].pop("qemu-user")[1] == "trixie-backports"
    assert pins["old"].pop("qemu-user")[1] == "trixie"
    assert pins["new"] == pins["old"]
