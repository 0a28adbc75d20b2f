"""A file to fetch, and the answers of a server that is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.debian.pool import fetch_packages
from imagefab.digest import Digest
from imagefab.fetch.fetcher import Fetcher
from imagefab.store.store import Store

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


ARCHIVE = ArchivePin(
    name="trixie",
    archive="debian",
    suite="trixie",
    components=("main",),
    date="20260101T000000Z",
    release=DIGEST,
)


def fetch(fetcher: Fetcher, *pins: PackagePin) -> None:
    fetch_packages(fetcher, [ARCHIVE], pins or (pin(),), hint="run `imagefab lock --upgrade r`")


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
