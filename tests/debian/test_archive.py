"""Reading a small archive from a local server: what is checked, what is kept, what a bad mirror can and cannot do."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagefab.debian.archive import ArchiveReader, list_stale_indexes
from imagefab.errors import FetchError, RecipeError
from imagefab.fetch.fetcher import Fetcher
from imagefab.recipe.model import Archive
from imagefab.store.store import Store

NOW = datetime(2026, 11, 20, tzinfo=UTC)
TRIXIE = Archive(name="trixie", archive="debian", suite="trixie")
SECURITY = Archive(name="security", archive="debian-security", suite="trixie-security")
DEAD = "http://127.0.0.1:9"

MakeReader = Callable[..., ArchiveReader]


@pytest.fixture
def make_reader(archive: Any, make_fetcher: Callable[..., Fetcher]) -> MakeReader:
    def make(*mirrors: str, now: datetime = NOW, offline: bool = False) -> ArchiveReader:
        fetcher = make_fetcher(*(mirrors or (archive.server.url,)), offline=offline)
        return ArchiveReader(fetcher, now=now, keys=(archive.key,))

    return make


def versions(reader: ArchiveReader, *archives: Archive, architectures: tuple[str, ...] = ("amd64",)) -> list[str]:
    universe = reader.open_universe(archives or (TRIXIE,), architectures)
    return [str(package) for package in universe.packages("a")]


def indexes(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder("indexes").iterdir() if path.suffix != ".InRelease")


def test_an_archive_is_read_once(archive: Any, make_reader: MakeReader) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    reader = make_reader()
    assert versions(reader) == versions(reader) == ["a:amd64 1"]
    assert [path.rsplit("/", 2)[1] for path in archive.server.asked] == ["trixie", "SHA256"]
    archive.server.asked.clear()
    assert versions(make_reader()) == ["a:amd64 1"]
    assert archive.server.asked == ["/dists/trixie/InRelease"]
    pin = reader.open_suite(TRIXIE).pin
    assert (pin.name, pin.date) == ("trixie", "20261119T000000Z")
    assert reader.open_suite(TRIXIE).epoch == int(datetime(2026, 11, 19, tzinfo=UTC).timestamp())


def test_a_suite_that_cannot_be_read_is_asked_for_once(archive: Any, make_reader: MakeReader) -> None:
    """All recipes of a project want the same."""
    archive.release("trixie", {"amd64": ["a 1 amd64"]}, codename="bookworm")
    reader = make_reader()
    for _ in range(3):
        with pytest.raises(FetchError, match="answered a request for suite trixie"):
            versions(reader)
    assert archive.server.asked == ["/dists/trixie/InRelease"]


def test_the_highest_version_of_all_suites_wins(archive: Any, make_reader: MakeReader) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    archive.release("trixie-security", {"amd64": ["a 1+deb13u1 amd64"]})
    assert versions(make_reader(), TRIXIE, SECURITY) == ["a:amd64 1+deb13u1", "a:amd64 1"]


def test_offline_uses_what_was_seen(archive: Any, make_reader: MakeReader) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"], "arm64": []})
    with pytest.raises(FetchError, match="not in the store") as caught:
        versions(make_reader(offline=True))
    assert caught.value.hint == "run once without --offline"
    versions(make_reader())
    archive.server.files.clear()
    assert versions(make_reader(offline=True)) == ["a:amd64 1"]


def test_offline_names_what_is_missing(archive: Any, make_reader: MakeReader) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"], "arm64": ["a 1 arm64"]})
    versions(make_reader())
    with pytest.raises(FetchError, match=r"not in the store:\n  trixie main/binary-arm64/Packages\.xz"):
        versions(make_reader(offline=True), architectures=("arm64",))


def test_a_damaged_index_is_built_again(archive: Any, make_reader: MakeReader, store: Store) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    versions(make_reader())
    (name,) = indexes(store)
    path = store.folder("indexes") / name
    whole = path.read_bytes()
    for damaged in (whole[:-1] + b"!", whole[:50], b""):
        path.write_bytes(damaged)
        assert versions(make_reader()) == ["a:amd64 1"]
        assert path.read_bytes() == whole


def test_indexes_that_no_release_names_are_stale(archive: Any, make_reader: MakeReader, store: Store) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    versions(make_reader())
    (first,) = indexes(store)
    assert list(list_stale_indexes(store.folder("indexes"))) == []
    archive.date += timedelta(hours=1)
    archive.release("trixie", {"amd64": ["a 2 amd64"]})
    versions(make_reader())
    assert [path.name for path in list_stale_indexes(store.folder("indexes"))] == [first]


def test_without_by_hash_the_plain_path_serves(archive: Any, make_reader: MakeReader) -> None:
    archive.extra = "No-Support-for-Architecture-all: Packages\n"
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    assert versions(make_reader()) == ["a:amd64 1"]
    assert archive.server.asked[-1].endswith("/Packages.xz")


def test_the_plain_path_is_the_fallback(archive: Any, make_reader: MakeReader, progress: Any) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    for path in [path for path in archive.server.files if "by-hash" in path]:
        del archive.server.files[path]
    assert versions(make_reader()) == ["a:amd64 1"]
    assert progress.warnings == []


def test_an_index_of_its_own_for_all(archive: Any, make_reader: MakeReader) -> None:
    archive.extra = "Acquire-By-Hash: yes\n"
    archive.release("trixie", {"amd64": ["b 1 amd64"], "all": ["a 1 all"]})
    assert versions(make_reader()) == ["a 1"]


def test_wrong_bytes_are_refused(archive: Any, make_reader: MakeReader, store: Store) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    for path, content in list(archive.server.files.items()):
        if path.endswith("Packages.xz") or "by-hash" in path:
            archive.server.files[path] = bytes(reversed(content))
    with pytest.raises(FetchError, match=r"cannot fetch trixie main/binary-amd64/Packages\.xz: .*do not match"):
        versions(make_reader())
    assert indexes(store) == []


def test_a_bomb_is_refused(archive: Any, make_reader: MakeReader, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = lzma.compress(bytes(50 << 20), preset=0)
    monkeypatch.setattr(lzma, "compress", lambda data: packed)
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    with pytest.raises(FetchError, match="not the one in the Release file"):
        versions(make_reader())


def test_a_bad_mirror_is_skipped(archive: Any, make_reader: MakeReader, serve: Callable[[], Any]) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    liar = serve()
    liar.files["/dists/trixie/InRelease"] = b"Codename: trixie\n"
    assert versions(make_reader(liar.url, DEAD, archive.server.url)) == ["a:amd64 1"]


def test_errors_of_all_mirrors_are_reported(archive: Any, make_reader: MakeReader, serve: Callable[[], Any]) -> None:
    liar = serve()
    liar.files["/dists/trixie/InRelease"] = b"Codename: trixie\n"
    with pytest.raises(FetchError, match=r"signature is not valid.*does not have it") as caught:
        versions(make_reader(liar.url, archive.server.url))
    assert caught.value.exit_code == 6


def test_a_mirror_that_has_fallen_behind(archive: Any, make_reader: MakeReader, progress: Any) -> None:
    archive.release("trixie", {"amd64": ["a 2 amd64"]})
    assert versions(make_reader()) == ["a:amd64 2"]
    archive.date -= timedelta(days=3)
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    assert versions(make_reader()) == ["a:amd64 2"]
    assert "the mirror is outdated" in progress.warnings[0]


def test_an_expired_archive(archive: Any, make_reader: MakeReader) -> None:
    archive.valid_until = NOW
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    assert versions(make_reader()) == ["a:amd64 1"]
    for offline in (False, True):
        with pytest.raises(FetchError, match="expired") as caught:
            versions(make_reader(now=NOW + timedelta(hours=1), offline=offline))
        assert caught.value.hint is not None and "clock" in caught.value.hint


def test_an_unknown_architecture_or_component(archive: Any, make_reader: MakeReader) -> None:
    archive.release("trixie", {"amd64": ["a 1 amd64"]})
    with pytest.raises(RecipeError, match="no packages for the architecture vax"):
        versions(make_reader(), architectures=("amd64", "vax"))
    with pytest.raises(RecipeError, match="no component contrib"):
        versions(make_reader(), Archive(name="t", archive="debian", suite="trixie", components=("contrib",)))


class TestPartialMirrors:
    """Mirrors that carry all of the machine's own architecture, and of others only the base suite."""

    @pytest.fixture(autouse=True)
    def partial(self, archive: Any) -> None:
        archive.release("trixie", {"amd64": ["a 1 amd64"], "arm64": ["a 1 arm64"]})
        archive.release("trixie-security", {"amd64": ["a 2 amd64"], "arm64": ["a 2 arm64"]})
        for path in [path for path in archive.server.files if "security" in path and "arm64" in path]:
            archive.server.files.pop(path)

    def test_a_foreign_architecture_may_lack_updates(self, make_reader: MakeReader, progress: Any) -> None:
        reader = make_reader()
        universe = reader.open_universe((TRIXIE, SECURITY), ("amd64", "arm64"))
        assert [str(p) for p in universe.packages("a")] == ["a:amd64 2", "a:amd64 1", "a:arm64 1"]
        assert universe.incomplete == {"arm64"}
        reader.open_universe((TRIXIE, SECURITY), ("amd64", "arm64"))
        assert len(progress.warnings) == 1 and "no mirror has the arm64 packages" in progress.warnings[0]

    def test_the_native_one_may_not(self, make_reader: MakeReader) -> None:
        with pytest.raises(FetchError, match="does not have it"):
            make_reader().open_universe((TRIXIE, SECURITY), ("arm64", "amd64"))

    def test_a_network_failure_is_no_excuse(self, archive: Any, make_reader: MakeReader) -> None:
        def broken(handler: Any) -> None:
            handler.close_connection = True

        for path in ("/dists/trixie-security/main/binary-arm64/Packages.xz",):
            archive.server.files[path] = broken
        with pytest.raises(FetchError, match="cannot fetch"):
            make_reader().open_universe((TRIXIE, SECURITY), ("amd64", "arm64"))
