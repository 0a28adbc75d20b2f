"""Layers that machines share through a registry: under a layer's key, what somebody built for it.

A key says what a layer is made from, not what came out, so whoever can write to that repository is trusted: a project
names it on purpose. What comes from there is still held against itself: all digests, and that the tar is the one that
configs name. Two machines that build one key make the same bytes; that they did not is worth a warning.
"""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from imagefab.digest import Digest, canonical_json
from imagefab.oci.disk import STORE, explain_disk_errors
from imagefab.oci.image import LAYER, MANIFEST
from imagefab.oci.layer import Layer, Origin, decode_listing, find_layer, keep_layer
from imagefab.oci.parts import read_size
from imagefab.oci.store import Store
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.registry.blobs import Blob, Blobs
from imagefab.registry.client import Client, work_at_once
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Repository

_RECORD = "application/vnd.imagefab.layer.record.v1+json"
_LISTING = "application/vnd.imagefab.layer.listing.v1"
_MOST_LISTING = 256 << 20
_MOST_RECORD = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    layer: Layer
    listing_size: int


class LayerShare:
    """One repository of layers."""

    def __init__(self, client: Client, repository: Repository, store: Store, progress: Progress) -> None:
        self._client = client
        self._manifests = Manifests(client, repository)
        self._blobs = Blobs(client, repository)
        self._repository = repository
        self.name = str(repository)
        self._store = store
        self._progress = progress
        self._guard = threading.Lock()
        self._is_broken = False

    def fetch(self, plan: Plan) -> None:
        """Bring into the store what it lacks of a plan, from the lowest layer up to the first that nobody built.

        A registry that does not work is said once, and layers are built.
        """
        lacking = [one.key for one in plan.layers if find_layer(self._store, one.key, self._progress.warn) is None]
        with self._guard:
            if self._is_broken or not lacking:
                return
        try:
            # All are asked for at once: most often all are there, or none.
            with work_at_once(self._client) as pool:
                found = list(pool.map(self._find, lacking))
                count = next((number for number, one in enumerate(found) if one is None), len(found))
                given = [one for one in found[:count] if one is not None]
                if given:
                    task = self._progress.start(
                        f"{plan.recipe}: {len(given)} layers of {self._repository}",
                        total=sum(one.layer.size for one in given),
                        unit="B",
                    )
                    list(pool.map(lambda one: self._bring(one, task.advance), given))
                    task.finish()
        except RegistryError as error:
            self._give_up(error)

    def give(self, layers: Sequence[Layer]) -> int:
        """Put layers there that are not; how many that were."""
        wanted = {layer.key: layer for layer in layers}
        with work_at_once(self._client) as pool:
            known = dict(zip(wanted, pool.map(self._find, wanted), strict=True))
            missing = [layer for key, layer in wanted.items() if not self._is_there(layer, known[key])]
            if missing:
                task = self._progress.start(
                    f"{len(missing)} layers to {self._repository}", total=sum(layer.size for layer in missing), unit="B"
                )
                list(pool.map(lambda layer: self._give(layer, task.advance), missing))
                task.finish()
        return len(missing)

    def _is_there(self, layer: Layer, known: _Found | None) -> bool:
        if known is not None and known.layer.diff_id != layer.diff_id:
            self._progress.warn(
                f"layer {layer.name}: {self._repository} has another for the same inputs, {known.layer.diff_id};"
                f" here it is {layer.diff_id}"
            )
        return known is not None

    def _give(self, layer: Layer, advance: Callable[[int], None]) -> None:
        record = canonical_json(layer.record())
        listing = self._store.read_blob(layer.listing)
        for blob in (
            Blob(digest=layer.digest, size=layer.size, open=lambda: self._store.open_blob(layer.digest)),
            Blob(digest=layer.listing, size=len(listing), open=lambda: io.BytesIO(listing)),
            Blob(digest=Digest.of_bytes(record), size=len(record), open=lambda: io.BytesIO(record)),
        ):
            if not self._blobs.has(blob.digest, to_write=True):
                self._blobs.put(blob, (), advance if blob.digest == layer.digest else lambda _: None)
        manifest = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": _RECORD,
                "config": {"mediaType": _RECORD, "digest": str(Digest.of_bytes(record)), "size": len(record)},
                "layers": [
                    {"mediaType": LAYER, "digest": str(layer.digest), "size": layer.size},
                    {"mediaType": _LISTING, "digest": str(layer.listing), "size": len(listing)},
                ],
            }
        )
        self._manifests.put(layer.key.hex, manifest, MANIFEST)

    def _find(self, key: Digest) -> _Found | None:
        """What somebody built for a key. What makes no sense is said, and is nothing."""
        manifest = self._manifests.find(key.hex)
        if manifest is None:
            return None
        try:
            layer = Layer.from_record(self._read_record(manifest.value))
            sizes = {one["digest"]: one["size"] for one in manifest.value["layers"]}
            found = _Found(layer=layer, listing_size=read_size(sizes[str(layer.listing)]))
            fits = layer.key == key and sizes[str(layer.digest)] == layer.size == sum(layer.members)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits or found.listing_size > _MOST_LISTING:
            self._progress.warn(f"{self._repository}:{key.hex} is not about a layer")
            return None
        return found

    def _read_record(self, manifest: Any) -> Any:
        file = io.BytesIO()
        config = manifest["config"]
        size = read_size(config["size"])
        if size > _MOST_RECORD:
            raise ValueError("a record is not that large")
        self._blobs.fetch(Digest.parse(config["digest"]), size, file, lambda _: None)
        return json.loads(file.getvalue())

    def _bring(self, found: _Found, advance: Callable[[int], None]) -> None:
        """The layer's files into the store, once they are seen to be what they should."""
        layer, scratch = found.layer, self._store.scratch_folder()
        listing = io.BytesIO()
        self._blobs.fetch(layer.listing, found.listing_size, listing, lambda _: None)
        try:
            decode_listing(listing.getvalue())
        except (ValueError, KeyError, TypeError, IndexError, zlib.error, RecursionError):
            raise RegistryError(f"{self._repository}: layer {layer.key.short} has no list of its files") from None
        with explain_disk_errors(self._store.root, STORE), tempfile.TemporaryDirectory(dir=scratch) as folder:
            path = Path(folder) / "layer"
            with path.open("w+b") as file:
                self._blobs.fetch(layer.digest, layer.size, file, advance)
                file.seek(0)
                if _hash_content(file, layer.plain_size) != layer.diff_id.hex:
                    raise RegistryError(f"{self._repository}: layer {layer.key.short} is not what its record says")
            origin = replace(layer.origin or Origin(), place=self.name)
            keep_layer(self._store, replace(layer, origin=origin), listing.getvalue(), path)

    def _give_up(self, error: RegistryError) -> None:
        with self._guard:
            if not self._is_broken:
                self._is_broken = True
                self._progress.warn(f"layers are built here, as {self._repository} does not give them: {error.problem}")


def _hash_content(file: IO[bytes], size: int) -> str:
    """Of the plain tar, unpacked no further than it says."""
    sha, left = hashlib.sha256(), size
    unpack = zlib.decompressobj(wbits=31)
    pending = b""
    while left >= 0 and (piece := pending or file.read(1 << 20)):
        try:
            plain = unpack.decompress(piece, 8 << 20)
        except zlib.error:
            return ""
        sha.update(plain)
        left -= len(plain)
        if unpack.eof:
            pending, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
        else:
            pending = unpack.unconsumed_tail
    return sha.hexdigest() if left == 0 else ""
