"""A proxy in front of a registry that does what networks do: it cuts connections, lies, and takes its time."""

from __future__ import annotations

import http.client
import re
import select
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOPS = {"connection", "transfer-encoding", "keep-alive"}


@dataclass(eq=False)
class Rule:
    when: str
    """A pattern of the method and the path."""
    act: Callable[[Handler], None]
    times: int = 1


@dataclass
class Proxy:
    host: str
    upstream: str
    rules: list[Rule] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: str) -> Rule | None:
        with self.guard:
            self.seen.append(request)
            for rule in self.rules:
                if rule.times and re.search(rule.when, request):
                    rule.times -= 1
                    return rule
        return None

    @property
    def left(self) -> int:
        return sum(rule.times for rule in self.rules)


class Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle_any(self) -> None:
        rule = self.proxy.take(f"{self.command} {self.path}")
        with suppress(OSError):
            if rule is not None:
                rule.act(self)
            else:
                self.forward()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def forward(self, change: Callable[[bytes], bytes] | None = None, **headers: str) -> None:
        """Ask the registry, and pass its answer on, changed or not."""
        status, data, told = self.ask()
        if change is not None:
            data = change(data)
        elif self.command != "HEAD":
            told["Content-Length"] = str(len(data))
        self.answer(status, data, told | {name.replace("_", "-"): value for name, value in headers.items()})

    def ask(self) -> tuple[int, bytes, dict[str, str]]:
        body = self.read_body()
        given = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        # The registry's own addresses have to lead here.
        given["Host"] = self.proxy.host
        with closing(http.client.HTTPConnection(self.proxy.upstream, timeout=60)) as upstream:
            upstream.request(self.command, self.path, body or None, given)
            answer = upstream.getresponse()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _HOPS}
            return answer.status, answer.read(), told

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def stand_before(upstream: str) -> Iterator[Proxy]:
    class Mine(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    server.daemon_threads = True
    Mine.proxy = Proxy(host=f"127.0.0.1:{server.server_address[1]}", upstream=upstream)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield Mine.proxy
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def tunnel_to(target: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy as companies have it, that leads wherever one wants to the same server; and what one wanted."""
    wanted: list[str] = []
    host, _, port = target.partition(":")

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            wanted.append(self.rfile.readline().decode().strip())
            while self.rfile.readline().strip():
                pass
            with socket.create_connection((host, int(port))) as upstream:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                ends = {self.connection: upstream, upstream: self.connection}
                while True:
                    for one in select.select(list(ends), [], [])[0]:
                        data = one.recv(1 << 16)
                        if not data:
                            return
                        ends[one].sendall(data)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", wanted
    finally:
        server.shutdown()
        server.server_close()


# -- what happens -----------------------------------------------------------------------------------------------------


def say(status: int, **headers: str) -> Callable[[Handler], None]:
    """The registry is not asked."""

    def act(handler: Handler) -> None:
        handler.read_body()
        handler.answer(status, b"{}", {name.replace("_", "-"): value for name, value in headers.items()})

    return act


def hang_up(handler: Handler) -> None:
    """At once, with what was sent unread: the other side hears that nobody is there."""
    handler.close_connection = True
    for one in (handler.rfile, handler.wfile, handler.connection):
        one.close()


def cut(after: int) -> Callable[[Handler], None]:
    """The connection ends in the middle of what is sent."""

    def act(handler: Handler) -> None:
        handler.rfile.read(min(after, int(handler.headers.get("Content-Length", "0")) // 2))
        hang_up(handler)

    return act


def lose_answer(handler: Handler) -> None:
    """The registry does it, and nobody hears of it."""
    handler.ask()
    hang_up(handler)


def truncate(handler: Handler) -> None:
    """Half of the answer, and the connection ends."""
    handler.forward(lambda data: data[: len(data) // 2])
    hang_up(handler)


def falsify(handler: Handler) -> None:
    """Another answer of the same length."""
    handler.forward(lambda data: data.replace(b"sha256:", b"sha256:"[::-1]))


def mislabel(handler: Handler) -> None:
    """The right answer with another digest."""
    handler.forward(Docker_Content_Digest=f"sha256:{'0' * 64}")


def dawdle(seconds: float) -> Callable[[Handler], None]:
    def act(handler: Handler) -> None:
        time.sleep(seconds)
        handler.forward()

    return act
