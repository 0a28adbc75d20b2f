"""Share layers between machines through a registry, under each layer's key.

A key says what a layer is made from, not what came out, so whoever can write to that repository is trusted: a project
opts in to it. Pulled layers are still checked against the canonical form and their own record: all digests, and that
the tar is the one that configs name. If the project has published a layer under a key, only that layer is accepted,
whatever the repository has. Two machines that build one key make the same bytes; a difference is worth a warning.
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagefab.digest import Digest, canonical_json
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.oci.image import LAYER, MANIFEST
from imagefab.oci.layer import Layer, Origin, find_layer, keep_layer
from imagefab.oci.parts import read_size
from imagefab.oci.verify import verify_layer
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.registry.blobs import Blob, Blobs
from imagefab.registry.client import Client, work_at_once
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Repository
from imagefab.store.store import Store

_RECORD = "application/vnd.imagefab.layer.record.v1+json"
_MOST_RECORD = 1 << 20


class LayerShare:
    """A repository of shared layers."""

    def __init__(
        self,
        client: Client,
        repository: Repository,
        store: Store,
        progress: Progress,
        *,
        published: Callable[[], Mapping[Digest, Set[Digest]]] = dict,
    ) -> None:
        """`published` reads the digests on record in the project, by layer key."""
        self._client = client
        self._manifests = Manifests(client, repository)
        self._blobs = Blobs(client, repository)
        self._repository = repository
        self.name = str(repository)
        self._store = store
        self._progress = progress
        self._read_published = published
        self._guard = threading.Lock()
        self._is_broken = False

    def fetch(self, plan: Plan) -> frozenset[Digest]:
        """Pull what the store lacks of a plan, from the lowest layer up to the first that is not shared.

        Returns the keys of the pulled layers. If the registry fails, that is reported once, and layers are built.
        """
        lacking = {one.key: one.name for one in plan.layers if not self._has(one.key)}
        with self._guard:
            if self._is_broken or not lacking:
                return frozenset()
        came: set[Digest] = set()
        try:
            # Look them all up at once: usually either all or none are there.
            with work_at_once(self._client) as pool:
                found = list(pool.map(self._find, lacking))
                given: list[Layer] = []
                published = self._read_published() if any(found) else {}
                for layer in found:
                    if layer is None or not self._is_as_published(layer, published.get(layer.key)):
                        break
                    given.append(replace(layer, name=lacking[layer.key]))
                if given:
                    task = self._progress.start(
                        f"{plan.recipe}: {len(given)} layers of {self._repository}",
                        total=sum(layer.size for layer in given),
                        unit="B",
                    )
                    for layer in pool.map(lambda one: self._bring(one, task.advance), given):
                        came.add(layer.key)
                    known = sum(layer.key in published for layer in given)
                    task.finish(f"{known} of them as published")
        except RegistryError as error:
            self._give_up(error)
        return frozenset(came)

    def _has(self, key: Digest) -> bool:
        return find_layer(self._store, key, self._progress.warn) is not None

    def _is_as_published(self, layer: Layer, known: Set[Digest] | None) -> bool:
        """Whether the layer is the one on record in the project, if any."""
        if known is None or layer.digest in known:
            return True
        names = " or ".join(map(str, sorted(known)))
        self._progress.warn(
            f"layer {layer.key.short} of {self._repository} is not used: it is {layer.digest},"
            f" but the published one is {names}"
        )
        return False

    def give(self, layers: Sequence[Layer]) -> int:
        """Push layers that the repository lacks. Returns how many."""
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

    def _is_there(self, layer: Layer, known: Layer | None) -> bool:
        if known is not None and known.diff_id != layer.diff_id:
            self._progress.warn(
                f"layer {layer.name}: {self._repository} has another for the same inputs, {known.diff_id};"
                f" here it is {layer.diff_id}"
            )
        return known is not None

    def _give(self, layer: Layer, advance: Callable[[int], None]) -> None:
        record = canonical_json(layer.record())
        for blob in (
            Blob(digest=layer.digest, size=layer.size, open=lambda: self._store.open_blob(layer.digest)),
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
                "layers": [{"mediaType": LAYER, "digest": str(layer.digest), "size": layer.size}],
            }
        )
        self._manifests.put(layer.key.hex, manifest, MANIFEST)

    def _find(self, key: Digest) -> Layer | None:
        """The shared layer for a key. An invalid one gives a warning and counts as none."""
        manifest = self._manifests.find(key.hex)
        if manifest is None:
            return None
        try:
            layer = Layer.from_record(self._read_record(manifest.value))
            sizes = {one["digest"]: one["size"] for one in manifest.value["layers"]}
            for size in (layer.size, layer.plain_size, *layer.members):
                read_size(size)
            fits = layer.key == key and sizes[str(layer.digest)] == layer.size == sum(layer.members)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits:
            self._progress.warn(f"{self._repository}:{key.hex} is not about a layer")
            return None
        return layer

    def _read_record(self, manifest: Any) -> Any:
        file = io.BytesIO()
        config = manifest["config"]
        size = read_size(config["size"])
        if size > _MOST_RECORD:
            raise ValueError("the record is too large")
        self._blobs.fetch(Digest.parse(config["digest"]), size, file, lambda _: None)
        return json.loads(file.getvalue())

    def _bring(self, layer: Layer, advance: Callable[[int], None]) -> Layer:
        """Pull a layer into the store once it is verified. Its listing is made here."""
        scratch = self._store.scratch_folder()
        with explain_disk_errors(self._store.root, STORE), tempfile.TemporaryDirectory(dir=scratch) as folder:
            path = Path(folder) / "layer"
            with path.open("w+b") as file:
                self._blobs.fetch(layer.digest, layer.size, file, advance)
                file.seek(0)
                try:
                    listing = verify_layer(layer, file)
                except ValueError as error:
                    raise RegistryError(
                        f"{self._repository}: layer {layer.key.short} does not match its record: {error}"
                    ) from None
            origin = replace(layer.origin or Origin(), place=self.name)
            brought = replace(layer, listing=Digest.of_bytes(listing), origin=origin)
            keep_layer(self._store, brought, listing, path)
        return brought

    def _give_up(self, error: RegistryError) -> None:
        with self._guard:
            if not self._is_broken:
                self._is_broken = True
                self._progress.warn(f"layers are built here, as {self._repository} failed: {error.problem}")
