"""Fetching files: once, whole, and no byte twice."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.fetch.downloads import (
    CONTENT,
    DEAD,
    DIGEST,
    PATH,
    MakeFetcher,
    Serve,
    answer,
    assert_held,
    fetch,
    in_turn,
    part,
    pin,
)

from imagefab.digest import Digest
from imagefab.errors import FetchError, SeveralErrors
from imagefab.fetch.fetcher import Download, NotServedError
from imagefab.fetch.gather import WantedSource, fetch_sources
from imagefab.platforms import AMD64
from imagefab.recipe.model import SourceSpec
from imagefab.store.store import Store


def test_a_file_is_fetched_once(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    fetcher = make_fetcher(server.url)
    fetch(fetcher, pin(), pin())
    fetch(fetcher)
    assert_held(store)
    assert server.asked == [PATH]


def test_many_files(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    pins = [pin(f"p{n}", f"content {n}".encode()) for n in range(100)]
    server.files |= {f"/{p.path}": f"content {n}".encode() for n, p in enumerate(pins)}
    fetch(make_fetcher(server.url), *pins)
    assert all(store.check_blob(p.sha256) for p in pins)


def test_a_damaged_file_in_the_store_is_fetched_again(
    serve: Serve, make_fetcher: MakeFetcher, store: Store, progress: Any
) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    fetch(make_fetcher(server.url))
    path = store.blob_path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(b"x" + CONTENT[1:])
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert "damaged" in progress.warnings[0]


def test_an_earlier_run_is_continued(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    server = serve()
    server.files[PATH] = CONTENT
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert server.asked == [f"{PATH} bytes=1000-"]


@pytest.mark.parametrize("held", [b"garbage", CONTENT + b"more", b"x" * len(CONTENT)])
def test_a_wrong_partial_file_is_discarded(serve: Serve, make_fetcher: MakeFetcher, store: Store, held: bytes) -> None:
    part(store).write_bytes(held)
    server = serve()
    server.files[PATH] = in_turn(answer(416, b""), answer()) if len(held) == len(CONTENT) else CONTENT
    fetch(make_fetcher(server.url, attempts=3))
    assert_held(store)


def test_a_complete_partial_file_is_used(make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT)
    fetch(make_fetcher(DEAD))
    assert_held(store)


def test_offline_names_what_is_missing(serve: Serve, make_fetcher: MakeFetcher) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    with pytest.raises(FetchError, match=r"not in the store:\n  a 1 \(amd64\)\n  b 1 \(amd64\)") as caught:
        fetch(make_fetcher(server.url, offline=True), pin(), pin("b", b"2"))
    assert caught.value.hint == "run once without --offline"
    fetch(make_fetcher(server.url))
    server.asked.clear()
    fetch(make_fetcher(server.url, offline=True))
    assert server.asked == []


def wanted(spec: SourceSpec) -> WantedSource:
    return WantedSource(source=spec, platform=AMD64, digest=spec.sha256)


def test_sources(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    server.files["/sdk.tar"] = CONTENT
    spec = SourceSpec(name="sdk", url=f"{server.url}/sdk.tar", sha256=DIGEST)
    fetch_sources(make_fetcher(), [wanted(spec), wanted(spec)])
    assert_held(store)
    other = SourceSpec(name="sdk", url=f"{server.url}/sdk.tar", sha256=Digest.of_bytes(b"other"))
    with pytest.raises(FetchError, match=r"cannot fetch sdk: .*do not match"):
        fetch_sources(make_fetcher(), [wanted(other)])
    with pytest.raises(NotServedError) as caught:
        spec = SourceSpec(name="x", url=f"{server.url}/x", sha256=Digest.of_bytes(b"x"))
        fetch_sources(make_fetcher(), [wanted(spec)])
    assert caught.value.hint is not None and "url" in caught.value.hint


def test_a_source_of_unknown_size_is_continued(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    server = serve()
    server.files["/sdk.tar"] = CONTENT
    fetch_sources(make_fetcher(), [wanted(SourceSpec(name="sdk", url=f"{server.url}/sdk.tar", sha256=DIGEST))])
    assert_held(store)
    assert server.asked == ["/sdk.tar bytes=1000-"]


def test_a_second_fetch_of_a_file_waits(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    """Who comes second waits, and goes on with what the first one left when it died."""
    server = serve()
    server.files[PATH] = CONTENT
    busy = part(store).open("wb")
    busy.write(CONTENT[:1000])
    busy.flush()
    fcntl.flock(busy, fcntl.LOCK_EX)
    thread = threading.Thread(target=fetch, args=(make_fetcher(server.url),))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    assert not server.asked
    busy.close()
    thread.join()
    assert_held(store)
    assert server.asked == [f"{PATH} bytes=1000-"]


def test_many_fetch_one_file_at_once(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    fetchers = [make_fetcher(server.url) for _ in range(8)]
    threads = [threading.Thread(target=fetch, args=(fetcher,)) for fetcher in fetchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_held(store)
    assert len(server.asked) == 1


def test_a_full_disk(serve: Serve, make_fetcher: MakeFetcher, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from imagefab.fetch import fetcher as module

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

    lock_part = module._lock_part
    monkeypatch.setattr(module, "_lock_part", lambda path: Full(lock_part(path)))
    server = serve()
    pins = [pin(f"p{n}", f"content {n}".encode()) for n in range(20)]
    server.files |= {f"/{p.path}": f"content {n}".encode() for n, p in enumerate(pins)}
    with pytest.raises(FetchError, match="no space left") as caught:
        fetch(make_fetcher(server.url), *pins)
    assert not isinstance(caught.value, SeveralErrors)
    assert not any(store.has_blob(p.sha256) for p in pins)


def test_progress_counts_each_byte_once(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    counted = []

    class Task:
        def advance(self, amount: int) -> None:
            counted.append(amount)

        def finish(self, note: str = "") -> None:
            pass

    server = serve()
    server.files[PATH] = in_turn(answer(200, CONTENT[:-5], length=len(CONTENT)), answer())
    fetcher = make_fetcher(server.url)
    fetcher.progress.start = lambda label, **rest: Task()  # type: ignore[method-assign]
    fetch(fetcher)
    assert sum(counted) == len(CONTENT)


def test_a_file_may_be_refused_when_it_is_kept(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    download = Download(label="a", digest=DIGEST, size=len(CONTENT), urls=(server.url + PATH,))

    def keep(path: Path, _: Download) -> None:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST.hex
        raise FetchError("no")

    with pytest.raises(FetchError, match="no"):
        make_fetcher().fetch_files([download], keep, label="x")
