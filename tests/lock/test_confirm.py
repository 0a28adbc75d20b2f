"""Locks held against an archive: what it signs today, what it signed then, and what nobody can show."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.small_archive import NOW, SmallArchive

from imagefab.debian.archive import ArchiveReader
from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.errors import FetchError, StaleError
from imagefab.fetch.fetcher import Fetcher
from imagefab.lock.confirm import Confirmation, confirm_lock, list_known, list_problems, require_archives
from imagefab.lock.make import make_lock
from imagefab.lock.model import Lock
from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Archive
from imagefab.toolchains.blueprint import Blueprint, LayerSpec

TRIXIE = Archive(name="trixie", archive="debian", suite="trixie")
SECURITY = Archive(name="trixie-security", archive="debian-security", suite="trixie-security")
BLUEPRINTS = [
    Blueprint(
        recipe="r",
        target="t",
        platform=platform,
        archives=(TRIXIE, SECURITY),
        layers=(LayerSpec(name="base", comment="", packages=("a", "b", "c")),),
        env=(),
        labels=(),
    )
    for platform in (AMD64, ARM64)
]


class Debian:
    """An archive that moves, and a snapshot archive of what it was."""

    def __init__(self, archive: SmallArchive, make_fetcher: Callable[..., Fetcher]) -> None:
        self.archive, self.make_fetcher = archive, make_fetcher

    def publish(self, a: str = "1", c: str = "1") -> None:
        for suite, packages in (("trixie", [f"a {a}", "b 1"]), ("trixie-security", [f"c {c}"])):
            machines = ("amd64", "arm64")
            self.archive.release(suite, {one: [f"{package} {one}" for package in packages] for one in machines})

    def snap(self) -> None:
        """Keep all that is there, under its date and the two days after it."""
        files = {path: data for path, data in self.archive.server.files.items() if path.startswith("/dists")}
        for days in range(3):
            date = f"{self.archive.date + timedelta(days=days):%Y%m%dT%H%M%SZ}"
            for name in ("debian", "debian-security"):
                self.archive.server.files |= {f"/archive/{name}/{date}{path}": data for path, data in files.items()}

    def reader(self, *, is_there: bool = True) -> ArchiveReader:
        url = self.archive.server.url
        fetcher = self.make_fetcher(url, snapshot=url if is_there else "http://127.0.0.1:9")
        return ArchiveReader(fetcher, now=NOW, keys=(self.archive.key,))

    def lock(self) -> Lock:
        return make_lock(BLUEPRINTS, self.reader())

    def confirm(self, lock: Lock, *, trusted: Lock | None = None, is_there: bool = True) -> Confirmation:
        reader = self.reader(is_there=is_there)
        return confirm_lock(lock, reader, reader.open_past, known=list_known([trusted] if trusted is not None else []))


@pytest.fixture
def debian(archive: SmallArchive, make_fetcher: Callable[..., Fetcher]) -> Debian:
    made = Debian(archive, make_fetcher)
    archive.date = NOW - timedelta(days=9)
    made.publish()
    return made


def change(lock: Lock, name: str, **changes: Any) -> Lock:
    """The lock with another pin for a package, as somebody would make it who knows how checksums are made."""

    def change_pin(pin: PackagePin) -> PackagePin:
        return replace(pin, **changes) if pin.name == name else pin

    return replace(
        lock,
        platforms=tuple(
            replace(
                platform,
                layers=tuple(replace(one, packages=tuple(map(change_pin, one.packages))) for one in platform.layers),
            )
            for platform in lock.platforms
        ),
    )


def list_codes(found: Confirmation) -> list[int]:
    return [error.exit_code for error in list_problems(found, "r", "images/r/imagefab.lock")]


ALL = ["a:amd64 1", "a:arm64 1", "b:amd64 1", "b:arm64 1", "c:amd64 1", "c:arm64 1"]


def test_all_pins_are_there(debian: Debian) -> None:
    found = debian.confirm(debian.lock())
    assert sorted(found.present) == ALL
    assert not (found.past or found.trusted or found.wrong or found.gone or list_codes(found))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sha256": Digest.of_bytes(b"evil")}, f"b:amd64 1: sha256 {Digest.of_bytes(b'evil')}, and sha256:"),
        ({"size": 1}, "b:amd64 1: size 1, and 1000 in the signed index"),
        ({"path": "pool/evil.deb"}, "b:amd64 1: path pool/evil.deb, and pool/main/b_1_amd64.deb in the signed index"),
    ],
    ids=["sha256", "size", "path"],
)
def test_pins_that_nobody_signed(debian: Debian, changes: dict[str, Any], told: str) -> None:
    lock = change(debian.lock(), "b", **changes)
    found = debian.confirm(lock, trusted=lock)
    assert found.wrong[0].startswith(told)
    assert len(found.wrong) == 2 and len(found.present) == 4
    (error,) = list_problems(found, "r", "images/r/imagefab.lock")
    assert isinstance(error, StaleError)
    assert error.problem.startswith("images/r/imagefab.lock: 2 pins are not what the archive signs\n  b:amd64 1: ")


def test_a_release_that_nobody_signed(debian: Debian) -> None:
    """Of its date, today's is signed, or that of then."""
    lock = debian.lock()
    first, *others = lock.archives
    forged = replace(lock, archives=(replace(first, release=Digest.of_bytes(b"evil")), *others))
    debian.snap()
    (told,) = debian.confirm(forged).wrong
    assert told.startswith(f"trixie of debian at {first.date}: release {Digest.of_bytes(b'evil')}, and {first.release}")
    debian.archive.date += timedelta(days=5)
    debian.publish(a="2", c="2")
    assert len(debian.confirm(forged).wrong) == 1
    assert not debian.confirm(lock).wrong


def test_a_version_that_never_was(debian: Debian) -> None:
    debian.snap()
    found = debian.confirm(change(debian.lock(), "b", version="6.6.6"))
    assert found.gone == ["b:amd64 6.6.6", "b:arm64 6.6.6"]
    (error,) = list_problems(found, "r", "images/r/imagefab.lock")
    assert isinstance(error, FetchError)
    assert error.hint is not None and "--upgrade r" in error.hint


def test_a_package_of_another_suite(debian: Debian) -> None:
    """The pool has the packages of all suites, and so it has that file."""
    found = debian.confirm(change(debian.lock(), "b", archive="trixie-security"))
    assert found.gone == ["b:amd64 1", "b:arm64 1"]


def test_pins_that_the_archive_left_behind(debian: Debian) -> None:
    """As the archive was then, they are there, and signed; else nothing shows it."""
    lock = debian.lock()
    debian.snap()
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2")
    found = debian.confirm(lock)
    assert found.past == ["a:amd64 1", "a:arm64 1"]
    assert sorted(found.present) == ALL[2:]
    assert not list_codes(found)
    found = debian.confirm(lock, is_there=False)
    assert found.gone == ["a:amd64 1", "a:arm64 1"]
    assert list_codes(found) == [6]
    found = debian.confirm(change(lock, "a", sha256=Digest.of_bytes(b"evil")))
    assert len(found.wrong) == 2 and list_codes(found) == [4]


def test_the_snapshot_archive_is_asked_once(debian: Debian) -> None:
    """Not for each of fifty recipes."""
    lock = debian.lock()
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2")
    reader = debian.reader()
    debian.archive.server.asked.clear()
    for _ in range(3):
        assert confirm_lock(lock, reader, reader.open_past, known={}).gone
    asked = [path for path in debian.archive.server.asked if path.startswith("/archive")]
    assert len(asked) == len(set(asked)) == 2


def test_states_of_then_are_not_kept(debian: Debian) -> None:
    """The last one that was seen is today's."""
    lock = debian.lock()
    debian.snap()
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2")
    debian.confirm(lock)
    assert debian.reader().open_suite(TRIXIE).pin.date == "20261119T000000Z"


def test_a_state_of_then_was_valid_then(debian: Debian) -> None:
    debian.archive.valid_until = debian.archive.date + timedelta(days=3)
    debian.publish()
    debian.snap()
    with pytest.raises(FetchError, match="expired"):
        debian.lock()
    debian.archive.valid_until = None
    debian.publish()
    lock = debian.lock()
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2")
    assert debian.confirm(lock).past == ["a:amd64 1", "a:arm64 1"]


def test_a_lock_that_is_believed(debian: Debian) -> None:
    """A change has to answer for its own pins only."""
    before = debian.lock()
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2", c="2")
    lock = change(before, "c", version="1.5")
    found = debian.confirm(lock, trusted=before, is_there=False)
    assert found.trusted == ["a:amd64 1", "a:arm64 1"]
    assert found.gone == ["c:amd64 1.5", "c:arm64 1.5"]


def test_a_mirror_that_has_fallen_behind(debian: Debian) -> None:
    debian.archive.date = NOW - timedelta(days=1)
    debian.publish(a="2")
    lock = debian.lock()
    shutil.rmtree(debian.reader().fetcher.store.folder("indexes"))
    debian.archive.date = NOW - timedelta(days=5)
    debian.publish()
    with pytest.raises(
        FetchError, match="the mirror has the archive of 2026-11-15 00:00, and the lock is of 2026-11-19"
    ):
        debian.confirm(lock)


@pytest.mark.parametrize("seen", ["99999999T999999Z", "99991231T235959Z"])
def test_dates_that_no_calendar_has(debian: Debian, seen: str) -> None:
    assert len(debian.confirm(change(debian.lock(), "b", version="2", seen=seen)).gone) == 2


def test_a_lock_of_other_suites(debian: Debian) -> None:
    """Its inputs are the recipe's, and it was made from something else."""
    lock = debian.lock()
    require_archives(lock, BLUEPRINTS, "x")
    sid = replace(lock, archives=(replace(lock.archives[0], suite="sid"), *lock.archives[1:]))
    with pytest.raises(StaleError, match="x is of sid of debian, which r does not ask for"):
        require_archives(sid, BLUEPRINTS, "x")
    with pytest.raises(StaleError, match="linux/vax"):
        require_archives(replace(lock, platforms=(replace(lock.platforms[0], platform="linux/vax"),)), BLUEPRINTS, "x")
