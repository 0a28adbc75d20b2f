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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from imagefab.digest import Digest
from imagefab.oci.compress import MemberWriter
from imagefab.oci.tarfmt import END, encode_node, encode_whiteout, padding
from imagefab.oci.tree import LayerDifference, Node, RawLayer, Tree, apply_layer, sort_paths
from imagefab.store.store import Store

if TYPE_CHECKING:
    from concurrent.futures import Executor

CANONICAL_FORM = 2
"""Goes into every layer key. To be raised when the same inputs would give other bytes than before."""

RECORDS = "layers"
CONTENTS = "contents"
"""Records of the layers that a store has, by what is in them."""
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
            members=_read_sizes(record["members"]),
            listing=Digest.parse(record["listing"]),
            origin=Origin.from_record(record["origin"]) if "origin" in record else None,
        )


def _read_sizes(value: Any) -> tuple[int, ...]:
    if not all(type(one) is int for one in value):
        raise ValueError("not sizes")
    return tuple(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What a content became when it was written and compressed."""

    digest: Digest
    diff_id: Digest
    size: int
    plain_size: int
    members: tuple[int, ...]

    def record(self) -> dict[str, Any]:
        digests = {"digest": str(self.digest), "diff_id": str(self.diff_id)}
        return digests | {"size": self.size, "plain_size": self.plain_size, "members": list(self.members)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Packed:
        return cls(
            digest=Digest.parse(record["digest"]),
            diff_id=Digest.parse(record["diff_id"]),
            size=record["size"],
            plain_size=record["plain_size"],
            members=_read_sizes(record["members"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFile:
    """A layer that is not on record yet."""

    name: str
    packed: Packed
    listing: bytes
    content: Digest
    path: Path | None
    """Its file; None for a layer with the content of one that the store has."""


Known = Callable[[Digest], Packed | None]
"""Finds the layer with a content, if the store has one."""


def write_layers(
    parts: Sequence[tuple[str, LayerDifference]], read: Reader, folder: Path, executor: Executor, find_known: Known
) -> list[LayerFile]:
    """Write named differences as layers into a folder, except for those that the store has already."""
    written = []
    for number, (name, difference) in enumerate(parts):
        hash_files(difference, read, executor)
        listing = encode_listing(difference)
        content = digest_content(difference, listing)
        packed, path = find_known(content), None
        if packed is None:
            path = folder / f"{number}.tar.gz"
            with path.open("wb") as out:
                packed = write_layer(difference, read, out, executor)
        written.append(LayerFile(name=name, packed=packed, listing=listing, content=content, path=path))
    return written


def hash_files(difference: LayerDifference, read: Reader, executor: Executor) -> None:
    """Fill in the hashes of all contents."""
    nodes = {id(node): node for node in difference.changed.values() if node.kind == "file" and not node.sha}

    def fill_in(node: Node) -> None:
        with read(node) as file:
            node.sha = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    list(executor.map(fill_in, nodes.values()))


def digest_content(difference: LayerDifference, listing: bytes) -> Digest:
    """What identifies the bytes of a layer before they are written."""
    first_names: dict[Any, str] = {}
    links = []
    for path in sort_paths(difference.changed):
        node = difference.changed[path]
        if node.inode is not None and (first := first_names.setdefault(node.inode, path)) != path:
            links.append([path, first])
    # Names need not be UTF-8, which only JSON in ASCII can have.
    return Digest.of_bytes(json.dumps([CANONICAL_FORM, str(Digest.of_bytes(listing)), links]).encode())


def write_layer(difference: LayerDifference, read: Reader, out: IO[bytes], executor: Executor) -> Packed:
    """Write a difference, whose contents are hashed, as a compressed canonical tar."""
    writer = MemberWriter(out, executor)
    whiteouts = {_marker(path): path for path in difference.removed}
    first_names: dict[Any, str] = {}
    for path in sort_paths([*difference.changed, *whiteouts]):
        if path in whiteouts:
            writer.write(encode_whiteout(whiteouts[path]))
            continue
        node = difference.changed[path]
        first = first_names.setdefault(node.inode, path) if node.inode is not None else path
        if first != path:
            writer.write(encode_node(path, node, hard_link=first))
            continue
        writer.write(encode_node(path, node))
        if node.kind == "file":
            _copy_content(node, read, writer)
    writer.write(END)
    diff_id, digest = writer.close()
    return Packed(
        digest=Digest(digest),
        diff_id=Digest(diff_id),
        size=writer.size,
        plain_size=writer.plain_size,
        members=tuple(writer.members),
    )


def _copy_content(node: Node, read: Reader, writer: MemberWriter) -> None:
    copied = 0
    with read(node) as file:
        while chunk := file.read(4 << 20):
            writer.write(chunk)
            copied += len(chunk)
    if copied != node.size:
        raise OSError(f"a file changed while it was read: {copied} bytes instead of {node.size}")
    writer.write(padding(copied))


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


def has_files_below(listing: bytes, folder: str) -> bool:
    """Whether a layer has files in a folder. Quicker than decoding all of a listing."""
    start = json.dumps([f"{folder}/"], separators=(",", ":")).removesuffix('"]')
    return start.encode() in zlib.decompress(listing)


def read_tree(listings: list[bytes]) -> Tree:
    """Build the tree of a chain of layers from their listings, lowest first."""
    tree: Tree = {}
    for listing in listings:
        tree = apply_layer(tree, decode_listing(listing))
    return tree


# -- the store --------------------------------------------------------------------------------------------------------


def find_step(store: Store, key: Digest, warn: Callable[[str], None]) -> tuple[Layer, ...] | None:
    """Find a step's layers in the store, complete and intact. Damaged ones are removed, with a warning."""
    record = store.read_record(RECORDS, key)
    if record is None:
        return None
    try:
        layers = tuple(Layer.from_record(one) for one in record["layers"])
        is_whole = bool(layers) and record[_CHECKSUM] == _sum_up(layers)
    except (KeyError, TypeError, ValueError, AttributeError):
        layers, is_whole = (), False
    if not is_whole or any(layer.key != key for layer in layers):
        warn(f"the store's record of layer {key.short} is damaged; build it again")
        store.drop_record(RECORDS, key)
        return None
    for layer in layers:
        for digest in (layer.digest, layer.listing):
            if not store.check_blob(digest):
                state = "damaged" if store.has_blob(digest) else "gone"
                warn(f"layer {layer.name}: {digest} in the store is {state}; build it again")
                store.drop_record(RECORDS, key)
                store.drop_blob(digest)
                return None
    return layers


def find_packed(store: Store, content: Digest) -> Packed | None:
    """Find the layer with a content in a store that may be another user's to write. It must be known to be intact."""
    record: Any = store.read_record(CONTENTS, content)
    try:
        packed = Packed.from_record(record)
        is_whole = record[_CHECKSUM] == _sum_up_packed(content, packed)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return packed if is_whole and store.knows_blob(packed.digest) else None


def record_step(
    store: Store, key: Digest, files: Sequence[LayerFile], *, origin: Origin | None = None
) -> tuple[Layer, ...]:
    """Move a step's finished layers into the store."""
    layers = tuple(
        Layer(
            key=key,
            name=file.name,
            digest=file.packed.digest,
            diff_id=file.packed.diff_id,
            size=file.packed.size,
            plain_size=file.packed.plain_size,
            members=file.packed.members,
            listing=Digest.of_bytes(file.listing),
            origin=origin,
        )
        for file in files
    )
    for file in files:
        keep_layer(store, file)
    write_step(store, layers)
    return layers


def keep_layer(store: Store, file: LayerFile) -> None:
    """Put a layer into the store, without saying yet what it is part of."""
    store.write_blob(file.listing)
    if file.path is not None:
        store.adopt_blob(file.path, file.packed.digest)
        record = file.packed.record() | {_CHECKSUM: _sum_up_packed(file.content, file.packed)}
        store.write_record(CONTENTS, file.content, record)


def write_step(store: Store, layers: tuple[Layer, ...]) -> None:
    """Record a step whose layers are in the store: whatever has a record is complete."""
    record = {"layers": [layer.record() for layer in layers], _CHECKSUM: _sum_up(layers)}
    store.write_record(RECORDS, layers[0].key, record)


def _sum_up_packed(content: Digest, packed: Packed) -> str:
    return str(Digest.of_json([str(content), packed.record()]))


def _sum_up(layers: tuple[Layer, ...]) -> str:
    return str(Digest.of_json([layer.record() for layer in layers]))
