"""Debian packages made in memory, good ones and broken ones."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Callable

CONTROL = "Package: a\nVersion: 1\nArchitecture: all\nDescription: one\n two\n"


def ar(*members: tuple[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return out


def tar(*members: tarfile.TarInfo | str, content: bytes = b"content", form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def entry(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def deb(
    data: bytes,
    control: bytes | None = None,
    pack: Callable[[bytes], bytes] = lzma.compress,
    suffix: str = ".xz",
) -> bytes:
    fields = tar("./control", content=CONTROL.encode()) if control is None else control
    return ar(("debian-binary", b"2.0\n"), (f"control.tar{suffix}", pack(fields)), (f"data.tar{suffix}", pack(data)))


def pack_fast(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)
