"""Fetching from servers that fail in every way that servers do."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from imagefab.digest import Digest
from imagefab.errors import FetchError, SeveralErrors
from imagefab.lock.model import ArchivePin, Lock, PackagePin
from imagefab.oci.store import Store
from imagefab.platforms import AMD64
from imagefab.recipe.model import SourceSpec
from imagefab.sources.fetch import Download, Fetcher, NotServedError, fetch_packages
from imagefab.sources.gather import WantedSource, fetch_sources

CONTENT = bytes(range(256)) * 4096
DIGEST = Digest.of_bytes(CONTENT)
PATH = "/pool/a.deb"
DEAD = "http://127.0.0.1:9"

MakeFetcher = Callable[..., Fetcher]
Serve = Callable[[], Any]


def pin(name: str = "a", content: bytes = CONTENT) -> PackagePin:
    return PackagePin(
        name=name,
        version="1",
        architecture="amd64",
        archive="trixie",
        path=f"pool/{name}.deb",
        size=len(content),
        sha256=Digest.of_bytes(content),
    )


def lock(date: str = "20260101T000000Z") -> Lock:
    archive = ArchivePin(
        name="trixie", archive="debian", suite="trixie", components=("main",), date=date, release=DIGEST
    )
    return Lock(recipe="r", inputs=DIGEST, epoch=0, archives=(archive,), sources=(), platforms=())


def fetch(fetcher: Fetcher, *pins: PackagePin) -> None:
    fetch_packages(fetcher, lock(), pins or (pin(),))


def answer(
    status: int = 200, content: bytes = CONTENT, length: int | None = None, **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return send


def in_turn(*answers: Callable[[BaseHTTPRequestHandler], None]) -> Callable[[BaseHTTPRequestHandler], None]:
    left = list(answers)

    def send(handler: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler)

    return send


def part(store: Store) -> Path:
    return store.folder("partial") / f"{DIGEST.hex}.part"


def assert_held(store: Store) -> None:
    assert store.blob_path(DIGEST).read_bytes() == CONTENT
    assert list(store.folder("partial").iterdir()) == []


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


@pytest.mark.parametrize(
    "wrong", [b"x" + CONTENT[1:], CONTENT[:-1], CONTENT + b"x", b"", b"<html>not found</html>"], ids=range(5)
)
def test_wrong_bytes(serve: Serve, make_fetcher: MakeFetcher, store: Store, progress: Any, wrong: bytes) -> None:
    bad, good = serve(), serve()
    bad.files[PATH] = wrong
    with pytest.raises(FetchError, match=r"cannot fetch a 1 \(amd64\): 127\.0\.0\.1:.*(other bytes|offers)") as caught:
        fetch(make_fetcher(bad.url))
    assert caught.value.exit_code == 6
    assert not store.has_blob(DIGEST)
    good.files[PATH] = CONTENT
    progress.warnings.clear()
    fetch(make_fetcher(bad.url, good.url))
    assert_held(store)
    (warning,) = progress.warnings
    assert bad.url.removeprefix("http://") in warning and "a 1 (amd64)" in warning


def test_an_endless_file_is_cut(serve: Serve, make_fetcher: MakeFetcher) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for _ in range(10_000):
                handler.wfile.write(CONTENT)
                sent += len(CONTENT)
        except OSError:
            pass
        handler.close_connection = True

    server = serve()
    server.files[PATH] = endless
    with pytest.raises(FetchError, match="sends more than the expected"):
        fetch(make_fetcher(server.url))
    assert sent < 100 << 20


def test_a_broken_transfer_goes_on(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    half = len(CONTENT) // 2
    server = serve()
    rest = answer(206, CONTENT[half:], Content_Range=f"bytes {half}-{len(CONTENT) - 1}/{len(CONTENT)}")
    server.files[PATH] = in_turn(answer(200, CONTENT[:half], length=len(CONTENT)), rest)
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert server.asked == [PATH, f"{PATH} bytes={half}-"]


def test_an_earlier_run_is_continued(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    server = serve()
    server.files[PATH] = CONTENT
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert server.asked == [f"{PATH} bytes=1000-"]


@pytest.mark.parametrize("held", [b"garbage", CONTENT + b"more", b"x" * len(CONTENT)])
def test_a_wrong_beginning_is_given_up(serve: Serve, make_fetcher: MakeFetcher, store: Store, held: bytes) -> None:
    part(store).write_bytes(held)
    server = serve()
    server.files[PATH] = in_turn(answer(416, b""), answer()) if len(held) == len(CONTENT) else CONTENT
    fetch(make_fetcher(server.url, attempts=3))
    assert_held(store)


def test_a_whole_file_that_was_never_adopted(make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT)
    fetch(make_fetcher(DEAD))
    assert_held(store)


def test_a_server_that_knows_no_ranges(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    server = serve()
    server.files[PATH] = answer()
    fetch(make_fetcher(server.url))
    assert_held(store)


def test_a_server_that_answers_with_another_range(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    part(store).write_bytes(CONTENT[:1000])
    server = serve()
    server.files[PATH] = in_turn(answer(206, CONTENT[5:], Content_Range=f"bytes 5-9/{len(CONTENT)}"), answer())
    fetch(make_fetcher(server.url))
    assert_held(store)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_passing_trouble(serve: Serve, make_fetcher: MakeFetcher, store: Store, status: int) -> None:
    server = serve()
    server.files[PATH] = in_turn(answer(status, b"sorry"), answer())
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert len(server.asked) == 2


def test_a_lasting_trouble(serve: Serve, make_fetcher: MakeFetcher) -> None:
    server = serve()
    server.files[PATH] = answer(503, b"")
    with pytest.raises(FetchError, match="the server answers 503"):
        fetch(make_fetcher(server.url))
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [404, 410, 403, 400])
def test_a_plain_no_is_believed_at_once(serve: Serve, make_fetcher: MakeFetcher, status: int) -> None:
    server = serve()
    server.files[PATH] = answer(status, b"")
    with pytest.raises(FetchError):
        fetch(make_fetcher(server.url))
    assert len(server.asked) == 1


def test_a_server_that_stalls(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    done = threading.Event()

    def stall(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:100])
        handler.wfile.flush()
        done.wait(10)
        handler.close_connection = True

    slow, good = serve(), serve()
    slow.files[PATH], good.files[PATH] = stall, CONTENT
    started = time.monotonic()
    fetch(make_fetcher(slow.url, good.url, read=0.2))
    done.set()
    assert_held(store)
    assert time.monotonic() - started < 5
    # What the slow one gave is kept.
    assert good.asked == [f"{PATH} bytes=100-"]


def test_a_server_that_trickles(serve: Serve, make_fetcher: MakeFetcher) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    server = serve()
    server.files[PATH] = trickle
    with pytest.raises(FetchError, match="next to nothing"):
        fetch(make_fetcher(server.url, read=0.3, attempts=1))


def test_a_dead_host_is_not_asked_for_every_file(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    pins = [pin(f"p{n}", f"content {n}".encode()) for n in range(50)]
    server.files |= {f"/{p.path}": f"content {n}".encode() for n, p in enumerate(pins)}
    fetch(make_fetcher(DEAD, server.url), *pins)
    assert all(store.check_blob(p.sha256) for p in pins)


def test_no_mirror_answers(make_fetcher: MakeFetcher) -> None:
    with pytest.raises(FetchError, match=r"cannot fetch a 1 \(amd64\): 127\.0\.0\.1:9: "):
        fetch(make_fetcher(DEAD))


class TestRedirects:
    def test_they_are_followed(self, serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
        first, second = serve(), serve()
        first.files[PATH] = answer(302, b"", Location=f"{second.url}/elsewhere")
        second.files["/elsewhere"] = answer(301, b"", Location="/at/last")
        second.files["/at/last"] = CONTENT
        fetch(make_fetcher(first.url))
        assert_held(store)

    def test_never_in_circles(self, serve: Serve, make_fetcher: MakeFetcher) -> None:
        server = serve()
        server.files[PATH] = answer(302, b"", Location=PATH)
        with pytest.raises(FetchError, match="redirects without end"):
            fetch(make_fetcher(server.url))

    @pytest.mark.parametrize(
        ("start", "location"),
        [("https://a/b", "http://a/b"), ("http://a/b", "file:///etc/passwd"), ("https://a/b", "ftp://a")],
    )
    def test_never_to_less(self, start: str, location: str) -> None:
        from imagefab.sources.transport import TransferError, _follow

        with pytest.raises(TransferError, match="not followed"):
            _follow(start, location)

    @pytest.mark.parametrize(
        "location",
        ["http://[::::]/", "//[/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://", "\\", "http://a b/"],
    )
    def test_never_to_what_is_no_address(self, location: str, serve: Serve, make_fetcher: MakeFetcher) -> None:
        server = serve()
        server.files[PATH] = answer(302, b"", Location=location)
        with pytest.raises(FetchError, match="cannot fetch a 1"):
            fetch(make_fetcher(server.url))


class TestGone:
    """Packages that have left the pool."""

    SNAPSHOT = f"/archive/debian/20260101T000000Z{PATH}"

    def test_the_snapshot_archive_has_them(self, serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
        mirror, snapshot = serve(), serve()
        snapshot.files[self.SNAPSHOT] = CONTENT
        fetch(make_fetcher(mirror.url, snapshot=snapshot.url))
        assert_held(store)

    def test_it_is_asked_for_the_date_when_they_were_last_seen(
        self, serve: Serve, make_fetcher: MakeFetcher, store: Store
    ) -> None:
        snapshot = serve()
        snapshot.files[f"/archive/debian/20250505T000000Z{PATH}"] = CONTENT
        seen = PackagePin(
            name="a", version="1", architecture="amd64", archive="trixie", path="pool/a.deb", size=len(CONTENT),
            sha256=DIGEST, seen="20250505T000000Z",
        )  # fmt: skip
        fetch(make_fetcher(serve().url, snapshot=snapshot.url), seen)
        assert_held(store)

    def test_all_that_are_dead_are_told_at_once(self, serve: Serve, make_fetcher: MakeFetcher) -> None:
        snapshot = serve()
        with pytest.raises(NotServedError) as caught:
            fetch(make_fetcher(serve().url, snapshot=snapshot.url), pin("a", b"1"), pin("b", b"2"))
        assert "a 1 (amd64)" in caught.value.problem and "b 1 (amd64)" in caught.value.problem
        assert caught.value.hint == "run `imagefab lock --upgrade r`"

    def test_other_failures_are_told_apart(self, serve: Serve, make_fetcher: MakeFetcher) -> None:
        mirror, snapshot = serve(), serve()
        mirror.files["/pool/b.deb"] = b"x"
        with pytest.raises(SeveralErrors) as caught:
            fetch(make_fetcher(mirror.url, snapshot=snapshot.url), pin("a", b"1"), pin("b", b"2"))
        gone, wrong = caught.value.errors
        assert gone.hint is not None and wrong.hint is None
        assert caught.value.exit_code == 6


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
    with pytest.raises(FetchError, match=r"cannot fetch sdk: .*other bytes"):
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


def test_two_at_the_same_file(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
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


def test_many_at_the_same_time(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
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
    from imagefab.sources import fetch as module

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
    with pytest.raises(FetchError, match="no space is left") as caught:
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


def test_keeping_may_refuse(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    server = serve()
    server.files[PATH] = CONTENT
    download = Download(label="a", digest=DIGEST, size=len(CONTENT), urls=(server.url + PATH,))

    def keep(path: Path, _: Download) -> None:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST.hex
        raise FetchError("no")

    with pytest.raises(FetchError, match="no"):
        make_fetcher().fetch_files([download], keep, label="x")
