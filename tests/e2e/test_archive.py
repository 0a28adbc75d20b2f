"""The real archive: its signatures hold with the keys that ship, and one state of it gives one lock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.debian.apt import find_mirrors
from imagefab.debian.archive import ArchiveReader
from imagefab.debian.release import read_release
from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.fetcher import Fetcher
from imagefab.flows.prepare import design_blueprints
from imagefab.lock.file import find_lock_file, read_lock, write_lock
from imagefab.lock.make import make_lock
from imagefab.lock.model import BasePin
from imagefab.lock.staleness import platform_pins
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.store.store import Store
from imagefab.toolchains.design import RULES
from tests.e2e.support.command_line import ROOT, CommandLine
from tests.e2e.support.projects import TINY, make_project

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


def test_indexes_are_fetched_once(tmp_path: Path) -> None:
    """The next lock asks the mirrors for releases alone."""
    line = CommandLine(tmp_path / "store", make_project(tmp_path / "project", {"tiny": TINY}))
    assert "indexes, " in line.run("lock", "--upgrade").stderr
    assert "indexes, " not in line.run("lock", "--upgrade").stderr


def test_a_lock_is_held_against_what_the_archive_signs(tmp_path: Path) -> None:
    """Somebody who knows how a lock's checksum is made puts another hash into it."""
    line = CommandLine(tmp_path / "store", make_project(tmp_path / "project", {"tiny": TINY}))
    line.run("lock")
    assert "in the signed indexes" in line.run("lock", "--check", "--archive").stderr
    paths = [line.folder / f"images/{name}/imagefab.lock" for name in ("bases/debian-trixie", "tiny")]
    base, own = (find_lock_file(path) for path in paths)
    assert base is not None and own is not None
    pin = platform_pins(base.own, "linux/amd64")[0]
    text = paths[0].read_text().partition("\nformat")[2].replace(pin.sha256.hex, "ab" * 32)
    forged = Digest.of_bytes(f"format{text}".encode())
    paths[0].write_text(f'# written by `imagefab lock`; do not edit\nchecksum = "{forged}"\nformat{text}')
    write_lock(paths[1], replace(own, base=BasePin(name="debian-trixie", checksum=forged)))
    line.run("lock", "--check")
    told = line.run("lock", "--check", "--archive", code=4).stderr
    assert f"{pin.name}:{pin.architecture} {pin.version}: sha256 sha256:{'ab' * 32}, and {pin.sha256}" in told


def test_one_state_of_the_archive_gives_one_lock(fetcher: Fetcher, tmp_path: Path) -> None:
    (recipe,) = load_recipes(open_project(ROOT), RULES, ["aarch64-musl"])
    blueprints = design_blueprints(recipe)
    readers = [ArchiveReader(fetcher, now=datetime.now(UTC)) for _ in range(2)]
    assert make_lock(blueprints, readers[0]) == make_lock(blueprints, readers[1])


@pytest.mark.prove
def test_an_emulator_from_backports(tmp_path: Path) -> None:
    """It alone comes from there; what is installed does not change."""
    text = (ROOT / "recipes" / "aarch64-gnu.toml").read_text()
    folder = make_project(tmp_path / "project", {"old": text, "new": f'{text}qemu-suite = "trixie-backports"\n'})
    line = CommandLine(tmp_path / "store", folder)
    line.run("lock")
    line.run("lock", "--check", "--archive")
    pins = {}
    for name in ("old", "new"):
        lock = read_lock(folder / "images" / name / "imagefab.lock", recipe=name, shown=name)
        pins[name] = {pin.name: (pin.version, pin.archive) for pin in platform_pins(lock, "linux/amd64")}
    assert pins["new"].pop("qemu-user")[1] == "trixie-backports"
    assert pins["old"].pop("qemu-user")[1] == "trixie"
    assert pins["new"] == pins["old"]
