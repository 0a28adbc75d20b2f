"""Compare two images, down to the first layer that differs and the files in it.

Layers with different bytes may have the same content: then only their compression differs, which makes no difference to
whoever runs the image. A layer's content is read from its tar, whoever made it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Any

from imagefab.digest import Digest
from imagefab.oci.parts import BadImageError, ImageParts, LayerPart

_CHUNK = 1 << 20
_MOST_ENTRIES = 2_000_000
_GONE = ".wh."
_DEEPEST = 6
_OPAQUE = ".wh..wh..opq"


class DifferenceKind(StrEnum):
    CONTENT = "content"
    COMPRESSION = "only compression"
    METADATA = "metadata"
    """The config or manifest differs; the layers are the same."""
    LAYERS = "number of layers"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifference:
    path: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDifference:
    """Where two images differ."""

    kind: DifferenceKind
    layer: int | None = None
    """The index of the first layer that differs."""
    name: str = ""
    """That layer's name."""
    files: tuple[FileDifference, ...] = ()
    details: tuple[str, ...] = ()


Entry = Mapping[str, Any]
"""What a layer says about one path."""


def find_difference(one: ImageParts, other: ImageParts) -> ImageDifference | None:
    """Find where two images differ according to their manifests and configs, without the files.

    A config can claim any diff_ids, so check them against the layers first.
    """
    if one.digest == other.digest:
        return None
    for number, (mine, theirs) in enumerate(zip(one.layers, other.layers, strict=False)):
        if mine.name and theirs.name and mine.name != theirs.name:
            details = (f"`{mine.name}` here, `{theirs.name}` there",)
            return ImageDifference(kind=DifferenceKind.LAYERS, layer=number, name=mine.name, details=details)
        if mine.diff_id != theirs.diff_id:
            return ImageDifference(kind=DifferenceKind.CONTENT, layer=number, name=mine.name)
    if len(one.layers) != len(other.layers):
        number = min(len(one.layers), len(other.layers))
        longer = one if len(one.layers) > number else other
        counts = f"{len(one.layers)} here, {len(other.layers)} there"
        return ImageDifference(
            kind=DifferenceKind.LAYERS, layer=number, name=longer.layers[number].name, details=(counts,)
        )
    for number, (mine, theirs) in enumerate(zip(one.layers, other.layers, strict=True)):
        if mine.digest != theirs.digest:
            return ImageDifference(kind=DifferenceKind.COMPRESSION, layer=number, name=mine.name)
    return ImageDifference(
        kind=DifferenceKind.METADATA, details=tuple(_compare_configs(one.config_data, other.config_data))
    )


def hash_content(layer: IO[bytes], most: int) -> Digest:
    """The diff_id that the layer should have."""
    found = hashlib.sha256()
    try:
        with gzip.open(layer) as plain:
            bounded = _Bounded(plain, most)  # type: ignore[arg-type]
            while piece := bounded.read(_CHUNK):
                found.update(piece)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise BadImageError(f"a layer is not a compressed tar: {error}") from None
    return Digest.parse(f"sha256:{found.hexdigest()}")


def compare_layers(one: IO[bytes], other: IO[bytes], *, most: int) -> tuple[FileDifference, ...]:
    """The files in which two layers differ, by path. `most` limits how many bytes of each are unpacked."""
    return compare_entries(read_entries(one, most), read_entries(other, most))


def compare_entries(mine: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> tuple[FileDifference, ...]:
    found = [FileDifference(path=path, what="only here") for path in mine.keys() - theirs.keys()]
    found += [FileDifference(path=path, what="only there") for path in theirs.keys() - mine.keys()]
    for path in mine.keys() & theirs.keys():
        one, other = mine[path], theirs[path]
        keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
        if keys:
            told = (f"{key} {one.get(key, '-')} here, {other.get(key, '-')} there" for key in keys)
            found.append(FileDifference(path=path, what="; ".join(told)))
    return tuple(sorted(found, key=lambda one: one.path))


def read_entries(layer: IO[bytes], most: int) -> dict[str, Entry]:
    """What a layer's tar says about each path."""
    found: dict[str, Entry] = {}
    try:
        with gzip.open(layer) as plain, tarfile.open(fileobj=_Bounded(plain, most), mode="r|") as tar:  # type: ignore[call-overload, arg-type]
            for member in tar:
                if len(found) > _MOST_ENTRIES:
                    raise BadImageError("a layer has too many entries to compare")
                if member.issparse():
                    raise BadImageError("a layer has a sparse file in it, which layers have not")
                found[member.name.removeprefix("./")] = _describe(tar, member)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise BadImageError(f"a layer is not a compressed tar: {error}") from None
    return found


def lay_over(tree: dict[str, Entry], layer: Mapping[str, Entry]) -> None:
    """Apply a layer to a tree, with its whiteouts."""
    for path in layer:
        folder, _, name = path.rpartition("/")
        if name == _OPAQUE:
            _drop_below(tree, folder)
        elif name.startswith(_GONE):
            gone = f"{folder}/{name.removeprefix(_GONE)}".lstrip("/")
            tree.pop(gone, None)
            _drop_below(tree, gone)
    for path, entry in layer.items():
        if not path.rpartition("/")[2].startswith(_GONE):
            if entry["type"] != "folder":
                _drop_below(tree, path)
            tree[path] = entry


def _drop_below(tree: dict[str, Entry], folder: str) -> None:
    for path in [path for path in tree if path.startswith(f"{folder}/")]:
        del tree[path]


def _describe(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    value: dict[str, Any] = {
        "type": {b"0": "file", b"\0": "file", b"5": "folder", b"2": "link", b"1": "hard link"}.get(
            member.type, f"type {member.type!r}"
        ),
        "mode": f"{member.mode & 0o7777:04o}",
        "owner": f"{member.uid}:{member.gid}",
        "time": int(member.mtime),
    }
    if member.linkname:
        value["target"] = member.linkname
    if member.isreg() and (content := tar.extractfile(member)) is not None:
        sha = hashlib.sha256()
        while piece := content.read(_CHUNK):
            sha.update(piece)
        value |= {"size": member.size, "content": sha.hexdigest()[:12]}
    attributes = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    if attributes:
        value["attributes"] = sorted(attributes.items())
    return value


class _Bounded:
    """A stream that raises an error if it is longer than allowed."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._left = most

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise BadImageError("a layer unpacks to far more than the one it is compared with")
        return data


def _compare_configs(one: bytes, other: bytes) -> list[str]:
    mine, theirs = _flatten(json.loads(one)), _flatten(json.loads(other))
    return [
        f"{path}: {mine.get(path, 'nothing')} here, {theirs.get(path, 'nothing')} there"
        for path in sorted(mine.keys() | theirs.keys())
        if mine.get(path) != theirs.get(path)
    ]


def _flatten(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict) and path.count(".") < _DEEPEST:
        return {k: v for key, one in value.items() for k, v in _flatten(one, f"{path}.{key}".lstrip(".")).items()}
    if isinstance(value, list) and path.endswith("Env"):
        pairs = (str(one).partition("=") for one in value)
        return {f"{path}.{name}": text for name, _, text in pairs}
    return {path: str(value)}


def bound_content(mine: LayerPart, theirs: LayerPart) -> int:
    """Limit what a layer may unpack to: packages compress to a third, so 100 times its size is no valid layer."""
    return 100 * max(mine.size, theirs.size) + (1 << 30)
