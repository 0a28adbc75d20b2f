"""Repack some files of a package, or of a source tarball in a package, as a plain tar for steps that use them.

Most of the files are not needed, and decompressing everything takes longer than reading what is. So this is done once,
and images need no decompressor for it. Files keep their times, because build systems compare them.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from imagefab.debian.ar import DebError
from imagefab.debian.deb import extract_member, iter_data, iter_tarball
from imagefab.oci.tarfmt import END, encode_node, padding
from imagefab.oci.tree import Node, sort_paths

_MOST = 4 << 30
"""The most bytes that a tarball may unpack to."""


def take_tarball(package: Path, member: str, keep: Sequence[str], drop: Sequence[str]) -> bytes:
    """Return the plain files that match, sorted; DebError if a pattern of `keep` matches none.

    They are the package's own if `member` is empty, else those of that tarball, without its top folder.
    """
    wanted, unwanted = _compile(keep), _compile(drop)
    found: dict[str, tuple[Node, bytes]] = {}
    for path, entry, content in _iter_files(package, member):
        if content is not None and wanted.fullmatch(path) and not unwanted.fullmatch(path):
            mode = 0o755 if entry.mode & 0o100 else 0o644
            found[path] = (Node("file", mode, mtime=int(entry.mtime), size=entry.size), content.read())
    for pattern in keep:
        if not any(map(_compile([pattern]).fullmatch, found)):
            raise DebError(f"{package.name}: {member or 'it'} has nothing like {pattern}")
    parts = [b"".join((encode_node(path, found[path][0]), found[path][1], padding(found[path][0].size)))
             for path in sort_paths(found)]  # fmt: skip
    return b"".join([*parts, END])


def _iter_files(package: Path, member: str) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes] | None]]:
    if not member:
        for entry, content in iter_data(package):
            yield entry.name, entry, content
        return
    for entry, content in iter_tarball(extract_member(package, member), member, most=_MOST):
        yield entry.name.partition("/")[2], entry, content


def _compile(patterns: Sequence[str]) -> re.Pattern[str]:
    """Compile the patterns into one expression, because a tarball has a hundred thousand names."""
    words = {"**": ".*", "*": "[^/]*"}
    return re.compile(
        "|".join(
            "".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
            for pattern in patterns
        )
        or "(?!)"
    )
