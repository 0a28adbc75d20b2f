"""Fetching from servers that fail in every way that servers do."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler
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

from imagefab.debian.pin import PackagePin
from imagefab.errors import FetchError, SeveralErrors
from imagefab.fetch.fetcher import NotServedError
from imagefab.store.store import Store


@pytest.mark.parametrize(
    "wrong", [b"x" + CONTENT[1:], CONTENT[:-1], CONTENT + b"x", b"", b"<html>not found</html>"], ids=range(5)
)
def test_wrong_bytes(serve: Serve, make_fetcher: MakeFetcher, store: Store, progress: Any, wrong: bytes) -> None:
    bad, good = serve(), serve()
    bad.files[PATH] = wrong
    with pytest.raises(FetchError, match=r"cannot fetch a 1 \(amd64\): 127\.0\.0\.1:.*(do not match|offers)") as caught:
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
def test_a_temporary_failure(serve: Serve, make_fetcher: MakeFetcher, store: Store, status: int) -> None:
    server = serve()
    server.files[PATH] = in_turn(answer(status, b"sorry"), answer())
    fetch(make_fetcher(server.url))
    assert_held(store)
    assert len(server.asked) == 2


def test_a_lasting_failure(serve: Serve, make_fetcher: MakeFetcher) -> None:
    server = serve()
    server.files[PATH] = answer(503, b"")
    with pytest.raises(FetchError, match="the server answers 503"):
        fetch(make_fetcher(server.url))
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [404, 410, 403, 400])
def test_a_refusal_is_not_tried_again(serve: Serve, make_fetcher: MakeFetcher, status: int) -> None:
    server = serve()
    server.files[PATH] = answer(status, b"")
    with pytest.raises(FetchError):
        fetch(make_fetcher(server.url))
    assert len(server.asked) == 1


def test_a_server_that_stalls(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    done = threading.Event()
    waited_for: list[str] = []

    def stall(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT[:100])
        handler.wfile.flush()
        done.wait(60)
        waited_for.append(handler.path)
        handler.close_connection = True

    slow, good = serve(), serve()
    slow.files[PATH], good.files[PATH] = stall, CONTENT
    fetch(make_fetcher(slow.url, good.url, read=0.2))
    assert not waited_for
    done.set()
    assert_held(store)
    # What the slow one gave is kept.
    assert good.asked == [f"{PATH} bytes=100-"]


def test_a_server_that_sends_slowly(serve: Serve, make_fetcher: MakeFetcher) -> None:
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
    with pytest.raises(FetchError, match="too slow"):
        fetch(make_fetcher(server.url, read=0.3, attempts=1))


def test_a_header_that_never_ends(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    """A line a second keeps every timeout of a single read. Another mirror has it."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            for number in range(200):
                handler.wfile.write(b"X-%d: x\r\n" % number)
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass
        handler.close_connection = True

    slow, good = serve(), serve()
    slow.files[PATH] = slow.files["/pool/b.deb"] = trickle
    good.files[PATH] = CONTENT
    began = time.monotonic()
    fetch(make_fetcher(slow.url, good.url, read=0.3))
    assert time.monotonic() - began < 5
    assert_held(store)
    with pytest.raises(FetchError, match="did not answer in time"):
        fetch(make_fetcher(slow.url, read=0.3), pin("b", b"other"))


def test_a_transfer_has_its_time(serve: Serve, make_fetcher: MakeFetcher) -> None:
    """However it is broken off and begun again; so much comes that it never stalls."""

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        try:
            for start in range(0, len(CONTENT), 20):
                handler.wfile.write(CONTENT[start : start + 20])
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass
        handler.close_connection = True

    server = serve()
    server.files[PATH] = trickle
    began = time.monotonic()
    with pytest.raises(FetchError, match="its time is over"):
        fetch(make_fetcher(server.url, read=5, attempts=50, whole=0.5, slowest=len(CONTENT)))
    assert 1.4 < time.monotonic() - began < 4, "half a second, and one for the size"


def test_a_slow_honest_line(serve: Serve, make_fetcher: MakeFetcher, store: Store) -> None:
    """What takes longer than all patience for an answer is no trouble, as long as it goes on."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        step = len(CONTENT) // 10
        for start in range(0, len(CONTENT), step):
            handler.wfile.write(CONTENT[start : start + step])
            handler.wfile.flush()
            time.sleep(0.1)

    server = serve()
    server.files[PATH] = send
    fetch(make_fetcher(server.url, read=0.3, attempts=1, whole=0.2, slowest=len(CONTENT) // 3))
    assert_held(store)
    assert len(server.asked) == 1


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
        with pytest.raises(FetchError, match="redirects too often"):
            fetch(make_fetcher(server.url))

    @pytest.mark.parametrize(
        ("start", "location"),
        [("https://a/b", "http://a/b"), ("http://a/b", "file:///etc/passwd"), ("https://a/b", "ftp://a")],
    )
    def test_never_to_a_weaker_scheme(self, start: str, location: str) -> None:
        from imagefab.fetch.transport import TransferError, _follow

        with pytest.raises(TransferError, match="not allowed"):
            _follow(start, location)

    @pytest.mark.parametrize(
        "location",
        ["http://[::::]/", "//[/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://", "\\", "http://a b/"],
    )
    def test_never_to_a_bad_address(self, location: str, serve: Serve, make_fetcher: MakeFetcher) -> None:
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

    def test_the_snapshot_of_the_date_when_they_were_last_seen(
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

    def test_all_missing_packages_are_reported_at_once(self, serve: Serve, make_fetcher: MakeFetcher) -> None:
        snapshot = serve()
        with pytest.raises(NotServedError) as caught:
            fetch(make_fetcher(serve().url, snapshot=snapshot.url), pin("a", b"1"), pin("b", b"2"))
        assert "a 1 (amd64)" in caught.value.problem and "b 1 (amd64)" in caught.value.problem
        assert caught.value.hint == "run `imagefab lock --upgrade r`"

    def test_other_failures_are_reported_separately(self, serve: Serve, make_fetcher: MakeFetcher) -> None:
        mirror, snapshot = serve(), serve()
        mirror.files["/pool/b.deb"] = b"x"
        with pytest.raises(SeveralErrors) as caught:
            fetch(make_fetcher(mirror.url, snapshot=snapshot.url), pin("a", b"1"), pin("b", b"2"))
        gone, wrong = caught.value.errors
        assert gone.hint is not None and wrong.hint is None
        assert caught.value.exit_code == 6
