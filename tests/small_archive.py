"""Local servers, packages written as one line each, and a small signed archive."""

from __future__ import annotations

import hashlib
import lzma
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pysequoia
import pytest

from imagefab.debian.index import Index, build_index
from imagefab.debian.universe import Universe
from imagefab.digest import Digest
from imagefab.fetch.fetcher import Fetcher
from imagefab.fetch.mirrors import Mirrors
from imagefab.fetch.own import OwnFiles
from imagefab.http import Patience
from imagefab.progress import SilentProgress
from imagefab.store.store import Store

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DEAD = "http://127.0.0.1:9"


def stanza(line: str) -> str:
    """`name version arch; Field: value; …` as a stanza of a Packages index."""
    head, *fields = [part.strip() for part in line.split(";")]
    name, version, architecture = head.split()
    path = f"pool/main/{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    lines = [f"Package: {name}", f"Version: {version}", f"Architecture: {architecture}", *fields]
    if not any(field.startswith("Filename:") for field in fields):
        lines += [f"Filename: {path}", "Size: 1000", f"SHA256: {hashlib.sha256(path.encode()).hexdigest()}"]
    return "\n".join(lines)


def packages_text(lines: Sequence[str]) -> bytes:
    return "".join(f"{stanza(line)}\n\n" for line in lines).encode()


@pytest.fixture(scope="session")
def make_universe() -> Callable[..., Universe]:
    """A universe of packages, each in the index of its architecture (`all` in all of them)."""

    def make(*lines: str, native: str = "amd64", foreign: Sequence[str] = ()) -> Universe:
        source = Digest.of_bytes(b"")
        indexes = []
        for architecture in (native, *foreign):
            mine = [line for line in lines if line.split(";")[0].split()[2] in ("all", architecture)]
            data = build_index(packages_text(mine), source=source)
            indexes.append((architecture, Index(data, source=source, archive="trixie")))
        return Universe(pins=(), native=native, foreign=foreign, indexes=indexes)

    return make


class Noted(SilentProgress):
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A web server that does as it is told: plain contents by path, or a function that answers."""

    url: str = ""
    files: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The paths asked for, with the range when there was one."""


@pytest.fixture(autouse=True)
def few_authorities(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here speaks TLS with anybody."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))


@pytest.fixture
def serve() -> Iterator[Callable[[], Server]]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start() -> Server:
        state = Server()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # a body would wait until its header is acknowledged

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                state.asked.append(self.path + (f" {wanted}" if wanted else ""))
                content = state.files.get(self.path)
                if callable(content):
                    content(self)
                    return
                if content is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                self.send_response(206 if wanted else 200)
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                self.wfile.write(content[start:])

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((server, thread))
        state.url = f"http://127.0.0.1:{server.server_port}"
        return state

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "store")
    yield found
    found.close()


@pytest.fixture
def progress() -> Noted:
    return Noted()


MakeFetcher = Callable[..., Fetcher]


@pytest.fixture
def make_fetcher(store: Store, progress: Noted) -> Iterator[MakeFetcher]:
    made: list[Fetcher] = []

    def make(
        *mirrors: str,
        snapshot: str = DEAD,
        offline: bool = False,
        own_files: OwnFiles = OwnFiles(),  # noqa: B008 - a frozen value
        **patience: float,
    ) -> Fetcher:
        bases = {"debian": mirrors, "debian-security": mirrors, "snapshot": (snapshot,)}
        fetcher = Fetcher(
            store=store,
            mirrors=Mirrors(bases=bases),
            progress=progress,
            own_files=own_files,
            offline=offline,
            patience=replace(Patience(connect=1, read=5, attempts=2, pause=0.01), **patience),  # type: ignore[arg-type]
        )
        made.append(fetcher)
        return fetcher

    yield make
    for fetcher in made:
        fetcher.close()


@dataclass
class SmallArchive:
    """The dists folder of an archive, signed with a key of its own."""

    server: Server
    secret: pysequoia.Tsk
    date: datetime = NOW - timedelta(days=1)
    valid_until: datetime | None = None
    extra: str = "No-Support-for-Architecture-all: Packages\nAcquire-By-Hash: yes\n"

    @property
    def key(self) -> bytes:
        return bytes(self.secret.extract_certificate())

    def release(self, suite: str, indexes: Mapping[str, Sequence[str]], **changes: str) -> bytes:
        """Publish a suite; packages by architecture."""
        listing = ""
        for architecture, lines in indexes.items():
            plain = packages_text(lines)
            packed = lzma.compress(plain)
            folder = f"main/binary-{architecture}"
            for name, content in (("Packages", plain), ("Packages.xz", packed)):
                listing += f" {hashlib.sha256(content).hexdigest()} {len(content)} {folder}/{name}\n"
            digest = hashlib.sha256(packed).hexdigest()
            self.server.files[f"/dists/{suite}/{folder}/by-hash/SHA256/{digest}"] = packed
            self.server.files[f"/dists/{suite}/{folder}/Packages.xz"] = packed
        until = f"Valid-Until: {format_datetime(self.valid_until)}\n" if self.valid_until else ""
        text = (
            f"Origin: Debian\nSuite: stable\nCodename: {changes.get('codename', suite)}\n"
            f"Date: {format_datetime(self.date)}\n{until}{self.extra}"
            f"Architectures: all {' '.join(indexes)}\nComponents: main\nSHA256:\n{listing}"
        )
        signed = pysequoia.sign(self.secret.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR)
        self.server.files[f"/dists/{suite}/InRelease"] = signed
        return bytes(signed)


@pytest.fixture(scope="session")
def secret() -> pysequoia.Tsk:
    return pysequoia.Tsk.generate("Test archive <test@example.org>")


@pytest.fixture
def archive(serve: Callable[[], Server], secret: pysequoia.Tsk) -> SmallArchive:
    return SmallArchive(serve(), secret)
