"""A file to fetch, and the answers of a server that is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from imagefab.digest import Digest
from imagefab.lock.model import ArchivePin, Lock, PackagePin
from imagefab.oci.store import Store
from imagefab.sources.fetch import Fetcher, fetch_packages

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
