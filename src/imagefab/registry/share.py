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
from imagefab.oci.layer import Layer, Origin, find_step, write_step
from imagefab.oci.parts import read_size
from imagefab.oci.verify import verify_layer
from imagefab.plan.model import Plan, PlanLayer
from imagefab.progress import Progress
from imagefab.registry.blobs import Blob, Blobs
from imagefab.registry.client import Client, work_at_once
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Repository
from imagefab.store.store import Store

_RECORD = "application/vnd.imagefab.layers.record.v2+json"
_MOST_RECORD = 1 << 20


Layers = tuple[Layer, ...]
"""What one of a plan's layers became."""


class LayerShare:
    """A repository of shared layers."""

    def __init__(
        self,
        client: Client,
        repository: Repository,
        store: Store,
        progress: Progress,
        *,
        published: Callable[[], Mapping[Digest, Set[tuple[Digest, ...]]]] = dict,
    ) -> None:
        """`published` reads the digests on record in the project, by the keys of the plan's layers."""
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
        lacking = {one.key: one for one in plan.layers if not self._has(one.key)}
        with self._guard:
            if self._is_broken or not lacking:
                return frozenset()
        came: set[Digest] = set()
        try:
            # Look them all up at once: usually either all or none are there.
            with work_at_once(self._client) as pool:
                found = list(pool.map(self._find, lacking))
                given: list[Layers] = []
                published = self._read_published() if any(found) else {}
                for key, layers in zip(lacking, found, strict=True):
                    if layers is None or not self._fits(lacking[key], layers, published.get(key)):
                        break
                    given.append(layers)
                if given:
                    task = self._progress.start(
                        f"{plan.recipe}: {len(given)} of its layers from {self._repository}",
                        total=sum(layer.size for layers in given for layer in layers),
                        unit="B",
                    )
                    for layers in given:
                        brought = tuple(pool.map(lambda one: self._bring(one, task.advance), layers))
                        write_step(self._store, brought)
                        came.add(brought[0].key)
                    known = sum(layers[0].key in published for layers in given)
                    task.finish(f"{known} of them as published")
        except RegistryError as error:
            self._give_up(error)
        return frozenset(came)

    def _has(self, key: Digest) -> bool:
        return find_step(self._store, key, self._progress.warn) is not None

    def _fits(self, planned: PlanLayer, layers: Layers, known: Set[tuple[Digest, ...]] | None) -> bool:
        """Whether layers are what a plan's layer can become, and what is on record in the project, if anything is."""
        names, digests = [layer.name for layer in layers], tuple(layer.digest for layer in layers)
        if names != [name for name in planned.part_names if name in names]:
            self._progress.warn(
                f"{self._repository}:{planned.key.hex} is not used: its layers are not {planned.name}'s"
            )
            return False
        if known is None or digests in known:
            return True
        self._progress.warn(
            f"layer {planned.key.short} of {self._repository} is not used: it is {_join_digests(digests)},"
            f" but the published one is {' or '.join(map(_join_digests, sorted(known)))}"
        )
        return False

    def give(self, steps: Sequence[Layers]) -> int:
        """Push layers that the repository lacks. Returns how many of the plan's."""
        wanted = {layers[0].key: layers for layers in steps}
        with work_at_once(self._client) as pool:
            known = dict(zip(wanted, pool.map(self._find, wanted), strict=True))
            missing = [layers for key, layers in wanted.items() if not self._is_there(layers, known[key])]
            if missing:
                task = self._progress.start(
                    f"{len(missing)} layers to {self._repository}",
                    total=sum(layer.size for layers in missing for layer in layers),
                    unit="B",
                )
                parts = {layer.digest: layer for layers in missing for layer in layers}
                list(pool.map(lambda layer: self._give_part(layer, task.advance), parts.values()))
                list(pool.map(self._give_record, missing))
                task.finish()
        return len(missing)

    def _is_there(self, layers: Layers, known: Layers | None) -> bool:
        here = tuple(layer.diff_id for layer in layers)
        there = () if known is None else tuple(layer.diff_id for layer in known)
        if there and there != here:
            self._progress.warn(
                f"layer {layers[-1].name}: {self._repository} has another for the same inputs,"
                f" {_join_digests(there)}; here it is {_join_digests(here)}"
            )
        return known is not None

    def _give_part(self, layer: Layer, advance: Callable[[int], None]) -> None:
        if not self._blobs.has(layer.digest, to_write=True):
            blob = Blob(digest=layer.digest, size=layer.size, open=lambda: self._store.open_blob(layer.digest))
            self._blobs.put(blob, (), advance)

    def _give_record(self, layers: Layers) -> None:
        record = canonical_json({"layers": [layer.record() for layer in layers]})
        blob = Blob(digest=Digest.of_bytes(record), size=len(record), open=lambda: io.BytesIO(record))
        if not self._blobs.has(blob.digest, to_write=True):
            self._blobs.put(blob, (), lambda _: None)
        manifest = canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": _RECORD,
                "config": {"mediaType": _RECORD, "digest": str(Digest.of_bytes(record)), "size": len(record)},
                "layers": [{"mediaType": LAYER, "digest": str(layer.digest), "size": layer.size} for layer in layers],
            }
        )
        self._manifests.put(layers[0].key.hex, manifest, MANIFEST)

    def _find(self, key: Digest) -> Layers | None:
        """The shared layers for a key. Invalid ones give a warning and count as none."""
        manifest = self._manifests.find(key.hex)
        if manifest is None:
            return None
        try:
            layers = tuple(Layer.from_record(one) for one in self._read_record(manifest.value)["layers"])
            sizes = {one["digest"]: one["size"] for one in manifest.value["layers"]}
            for layer in layers:
                for size in (layer.size, layer.plain_size, *layer.members):
                    read_size(size)
            fits = bool(layers) and all(
                layer.key == key and sizes[str(layer.digest)] == layer.size == sum(layer.members) for layer in layers
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            fits = False
        if not fits:
            self._progress.warn(f"{self._repository}:{key.hex} is not about a layer")
            return None
        return layers

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
            self._store.write_blob(listing)
            self._store.adopt_blob(path, layer.digest)
        return brought

    def _give_up(self, error: RegistryError) -> None:
        with self._guard:
            if not self._is_broken:
                self._is_broken = True
                self._progress.warn(f"layers are built here, as {self._repository} failed: {error.problem}")


def _join_digests(digests: Sequence[Digest]) -> str:
    return ", ".join(map(str, digests))
