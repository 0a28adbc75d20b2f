"""An archive that exists in memory, and moves when it is told to."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from imagefab.debian.index import Index, build_index
from imagefab.debian.pin import ArchivePin
from imagefab.debian.universe import Universe
from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.mirrors import Mirrors
from imagefab.recipe.model import Archive

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_deb(control: str) -> bytes:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        info = tarfile.TarInfo("control")
        info.size = len(control)
        archive.addfile(info, io.BytesIO(control.encode()))
    out = b"!<arch>\n"
    for name, content in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", lzma.compress(tar.getvalue())),
        ("data.tar", b""),
    ):
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


class FakeArchive:
    """Stands in for the reader of archives and for the fetcher: packages as lines, their files made up on demand."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self.date = START
        self.incomplete: set[str] = set()
        self.gone: set[str] = set()
        self.warnings: list[str] = []
        self.files: dict[Digest, bytes] = {}
        self.fetched: list[str] = []
        self.folder = folder
        # What make_lock uses of a Fetcher.
        self.fetcher = self
        self.store = self
        self.progress = self
        self.mirrors = Mirrors(bases={})

    def publish(self, *lines: str, days: int = 0) -> None:
        self.lines = list(lines)
        self.indexes: dict[tuple[str, str], Index] = {}
        self.date = START + timedelta(days=days)

    def stanza(self, line: str) -> str:
        head, *fields = [part.strip() for part in line.split(";")]
        name, version, architecture = head.split()
        control = (
            "\n".join([f"Package: {name}", f"Version: {version}", f"Architecture: {architecture}", *fields]) + "\n"
        )
        content = make_deb(control)
        self.files[Digest.of_bytes(content)] = content
        digest = hashlib.sha256(content).hexdigest()
        return f"{control}Filename: pool/{name}_{version}.deb\nSize: {len(content)}\nSHA256: {digest}\n"

    def open_universe(self, archives: Sequence[Archive], architectures: Sequence[str]) -> Universe:
        indexes = [(architecture, self.index(archives[0].name, architecture)) for architecture in architectures]
        return Universe(
            pins=tuple(self.pin(archive) for archive in archives),
            native=architectures[0],
            foreign=architectures[1:],
            indexes=indexes,
            incomplete=self.incomplete,
        )

    def index(self, archive: str, architecture: str) -> Index:
        if (archive, architecture) not in self.indexes:
            source = Digest.of_bytes(b"")
            mine = [line for line in self.lines if line.split(";")[0].split()[2] in ("all", architecture)]
            data = build_index("\n".join(map(self.stanza, mine)).encode(), source=source)
            self.indexes[archive, architecture] = Index(data, source=source, archive=archive)
        return self.indexes[archive, architecture]

    def pin(self, archive: Archive) -> ArchivePin:
        return ArchivePin(
            name=archive.name,
            archive=archive.archive,
            suite=archive.suite,
            components=archive.components,
            date=f"{self.date:%Y%m%dT%H%M%SZ}",
            release=Digest.of_bytes(str(self.date).encode()),
        )

    def open_suite(self, archive: Archive) -> Any:
        return SimpleNamespace(epoch=int(self.date.timestamp()), pin=self.pin(archive))

    def fetch_blobs(self, downloads: Sequence[Any], *, label: str) -> None:
        for download in downloads:
            self.fetched.append(label)
            if label.split(maxsplit=1)[0] in self.gone:
                raise FetchError(f"{label} is gone")
            self.blob_path(download.digest).write_bytes(self.files[download.digest])

    def blob_path(self, digest: Digest) -> Path:
        return self.folder / digest.hex

    def warn(self, text: str) -> None:
        self.warnings.append(text)
