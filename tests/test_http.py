"""Deadlines: whatever a server does to keep a client busy, work ends when its time is over."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from imagefab.http import Patience, SlowError, compute_limit, find_seconds_left, make_client, watch_pace, within

Talk = Callable[[socket.socket], None]


@contextmanager
def serve(talk: Talk) -> Iterator[str]:
    """A server that does one thing to each who connects."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=[connection], daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                talk(connection)
            except OSError:
                return
            is_over.wait(10)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield "http://127.0.0.1:{1}".format(*listener.getsockname())
    finally:
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def trickle_headers(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        connection.sendall(b"X-%d: x\r\n" % number)
        time.sleep(0.1)


def trickle_body(connection: socket.socket) -> None:
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


def say_nothing(connection: socket.socket) -> None:
    time.sleep(10)


def take_little(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(100):
        connection.recv(1000)
        time.sleep(0.1)


def begin_tls(connection: socket.socket) -> None:
    """One byte after the other of a record that would be long."""
    connection.recv(1 << 16)
    for byte in b"\x16\x03\x03\x40\x00" + bytes(100):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


@pytest.fixture
def client(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
    with make_client(Patience(read=5, connect=5)) as made:
        yield made


@contextmanager
def in_time() -> Iterator[None]:
    began = time.monotonic()
    with within(0.5), pytest.raises(httpx.TimeoutException):
        yield
    assert 0.4 < time.monotonic() - began < 2.5


@pytest.mark.parametrize("talk", [trickle_headers, trickle_body, say_nothing])
def test_answers_that_take_their_time(talk: Talk, client: httpx.Client) -> None:
    with serve(talk) as url, in_time():
        client.get(url)


def test_a_server_that_takes_little_at_a_time(client: httpx.Client) -> None:
    with serve(take_little) as url, in_time():
        client.put(url, content=bytes(32 << 20))


def test_a_handshake(client: httpx.Client) -> None:
    with serve(begin_tls) as url, in_time():
        client.get(url.replace("http://", "https://"))


@pytest.mark.parametrize("talk", [trickle_headers, trickle_body])
def test_a_proxy(talk: Talk, one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
    with serve(talk) as url:
        monkeypatch.setenv("HTTP_PROXY", url)
        with make_client(Patience(read=5, connect=5)) as client, in_time():
            client.get("http://example.org/")


def test_a_connection_is_used_again_under_another_deadline(client: httpx.Client) -> None:
    def answer_twice(connection: socket.socket) -> None:
        for pause in (0.0, 5.0):
            connection.recv(1 << 16)
            time.sleep(pause)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serve(answer_twice) as url:
        with within(60):
            assert client.get(url).status_code == 200
        with in_time():
            client.get(url)


def test_the_nearest_deadline_counts() -> None:
    assert find_seconds_left() == math.inf
    with within(100):
        with within(10):
            assert find_seconds_left() < 11
            with within(50):
                assert find_seconds_left() < 11
        assert 90 < find_seconds_left() <= 100
        found: list[float] = []
        thread = threading.Thread(target=lambda: found.append(find_seconds_left()))
        thread.start()
        thread.join()
        assert found == [math.inf], "others have their own"
    assert find_seconds_left() == math.inf


def test_limits_grow_with_the_size() -> None:
    assert compute_limit(60, 0, 1000) == 60
    assert compute_limit(60, 100_000, 1000) == 160
    assert compute_limit(60, 100_000, 0) == math.inf


def test_pace() -> None:
    def trickle() -> Iterator[bytes]:
        for _ in range(50):
            time.sleep(0.02)
            yield b"xx"

    with pytest.raises(SlowError):
        list(watch_pace(trickle(), seconds=0.1, slowest=1000))
    assert len(list(watch_pace(trickle(), seconds=0.1, slowest=10))) == 50
