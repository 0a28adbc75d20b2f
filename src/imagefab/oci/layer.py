"""The canonical layer, written once from a difference, and recorded in the store under its key.

A layer's record has the digest of the compressed file (which manifests name), of the plain tar (the diff_id, which
configs name), and of the listing: every path in the layer with its metadata and content hash. With the listing, the
layers above can be compared with it, and differences named by file, without unpacking anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from imagefab.digest import Digest
from imagefab.oci.compress import MemberWriter
from imagefab.oci.tarfmt import END, encode_node, encode_whiteout, padding
from imagefab.oci.tree import LayerDifference, Node, RawLayer, Tree, apply_layer, sort_paths
from imagefab.store.store import Store

RECORDS = "layers"
_CHECKSUM = "checksum"
_TEXT = re.compile(r"[ -~]{1,300}\Z")
Reader = Callable[[Node], IO[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What built a layer, for which image, and where it came from. It doesn't affect the layer's content."""

    engine: str | None = None
    """None if the layer came without this."""
    version: str | None = None
    """The version of imagefab."""
    plan: Digest | None = None
    """The key of the plan that it was built for."""
    place: str | None = None
    """The repository that it was pulled from; None if it was built with this store."""

    def record(self) -> dict[str, str]:
        values = {"engine": self.engine, "version": self.version, "plan": self.plan, "place": self.place}
        return {name: str(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Origin:
        plan = record.get("plan")
        return cls(
            engine=_find_text(record, "engine"),
            version=_find_text(record, "version"),
            plan=None if plan is None else Digest.parse(plan),
            place=_find_text(record, "place"),
        )


def _find_text(record: dict[str, Any], key: str) -> str | None:
    value = record.get(key)
    if value is not None and not (isinstance(value, str) and _TEXT.match(value)):
        raise ValueError(f"not a name: {value!r}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    key: Digest
    name: str
    digest: Digest
    """The digest of the compressed file."""
    diff_id: Digest
    """The digest of the plain tar."""
    size: int
    plain_size: int
    members: tuple[int, ...]
    """The sizes of the gzip members, which allow reading them in parallel."""
    listing: Digest
    origin: Origin | None = field(default=None, compare=False)
    """None for layers from before this was recorded."""

    def record(self) -> dict[str, Any]:
        origin = {} if self.origin is None else {"origin": self.origin.record()}
        return origin | {
            "key": str(self.key),
            "name": self.name,
            "digest": str(self.digest),
            "diff_id": str(self.diff_id),
            "size": self.size,
            "plain_size": self.plain_size,
            "members": list(self.members),
            "listing": str(self.listing),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Layer:
        return cls(
            key=Digest.parse(record["key"]),
            name=record["name"],
            digest=Digest.parse(record["digest"]),
            diff_id=Digest.parse(record["diff_id"]),
            size=record["size"],
            plain_size=record["plain_size"],
            members=tuple(map(int, record["members"])),
            listing=Digest.parse(record["listing"]),
            origin=Origin.from_record(record["origin"]) if "origin" in record else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """A layer written to a file, but not in the store yet."""

    digest: Digest
    diff_id: Digest
    size: int
    plain_size: int
    members: tuple[int, ...]
    listing: bytes


def write_layer(difference: LayerDifference, epoch: int, read: Reader, out: IO[bytes], executor: Executor) -> LayerFile:
    """Write a difference as a compressed canonical tar. Fills in the content hashes along the way."""
    writer = MemberWriter(out, executor)
    whiteouts = {_marker(path): path for path in difference.removed}
    first_names: dict[Any, str] = {}
    for path in sort_paths([*difference.changed, *whiteouts]):
        if path in whiteouts:
            writer.write(encode_whiteout(whiteouts[path], epoch))
            continue
        node = difference.changed[path]
        first = first_names.setdefault(node.inode, path) if node.inode is not None else path
        if first != path:
            node.sha = difference.changed[first].sha
            writer.write(encode_node(path, node, hard_link=first))
            continue
        writer.write(encode_node(path, node))
        if node.kind == "file":
            _copy_content(node, read, writer)
    writer.write(END)
    diff_id, digest = writer.close()
    return LayerFile(
        digest=Digest(digest),
        diff_id=Digest(diff_id),
        size=writer.size,
        plain_size=writer.plain_size,
        members=tuple(writer.members),
        listing=encode_listing(difference),
    )


def _copy_content(node: Node, read: Reader, writer: MemberWriter) -> None:
    sha = hashlib.sha256()
    copied = 0
    with read(node) as file:
        while chunk := file.read(4 << 20):
            sha.update(chunk)
            writer.write(chunk)
            copied += len(chunk)
    if copied != node.size:
        raise OSError(f"a file changed while it was read: {copied} bytes instead of {node.size}")
    writer.write(padding(copied))
    node.sha = sha.hexdigest()


def _marker(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.wh.{name}" if folder else f".wh.{name}"


# -- listings ---------------------------------------------------------------------------------------------------------


def encode_listing(difference: LayerDifference) -> bytes:
    paths = sort_paths(difference.changed)
    value = {
        "removed": list(difference.removed),
        "nodes": [[path, *difference.changed[path].row()] for path in paths],
    }
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 3)


def decode_listing(data: bytes) -> RawLayer:
    value = json.loads(zlib.decompress(data))
    return RawLayer({row[0]: Node.from_row(row[1:]) for row in value["nodes"]}, set(value["removed"]), set())


def read_tree(listings: list[bytes]) -> Tree:
    """Build the tree of a chain of layers from their listings, lowest first."""
    tree: Tree = {}
    for listing in listings:
        tree = apply_layer(tree, decode_listing(listing))
    return tree


# -- the store --------------------------------------------------------------------------------------------------------


def find_layer(store: Store, key: Digest, warn: Callable[[str], None]) -> Layer | None:
    """Find the layer for a key in the store, complete and intact. A damaged one is removed, with a warning."""
    record = store.read_record(RECORDS, key)
    if record is None:
        return None
    try:
        layer = Layer.from_record(record)
        is_whole = record[_CHECKSUM] == str(Digest.of_json(layer.record()))
    except (KeyError, TypeError, ValueError, AttributeError):
        layer, is_whole = None, False
    if layer is None or layer.key != key or not is_whole:
        warn(f"the store's record of layer {key.short} is damaged; build it again")
        store.drop_record(RECORDS, key)
        return None
    for digest in (layer.digest, layer.listing):
        if not store.check_blob(digest):
            state = "damaged" if store.has_blob(digest) else "gone"
            warn(f"layer {layer.name}: {digest} in the store is {state}; build it again")
            store.drop_record(RECORDS, key)
            store.drop_blob(digest)
            return None
    return layer


def record_layer(
    store: Store, key: Digest, name: str, file: LayerFile, path: Path, *, origin: Origin | None = None
) -> Layer:
    """Move a finished layer file into the store."""
    layer = Layer(
        key=key,
        name=name,
        digest=file.digest,
        diff_id=file.diff_id,
        size=file.size,
        plain_size=file.plain_size,
        members=file.members,
        listing=Digest.of_bytes(file.listing),
        origin=origin,
    )
    keep_layer(store, layer, file.listing, path)
    return layer


def keep_layer(store: Store, layer: Layer, listing: bytes, path: Path) -> None:
    """Put all of a layer into the store. The record comes last, so whatever has a record is complete."""
    store.write_blob(listing)
    store.adopt_blob(path, layer.digest)
    record = layer.record()
    store.write_record(RECORDS, layer.key, record | {_CHECKSUM: str(Digest.of_json(record))})
