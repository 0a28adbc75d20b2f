"""Images on registries, read as any client does: by reference, with every byte verified against its digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO

from imagefab.digest import Digest
from imagefab.oci.parts import BadImageError, ImageParts, LayerPart, list_index, read_parts, read_size
from imagefab.registry.blobs import Blobs
from imagefab.registry.client import Client
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifest, Manifests
from imagefab.registry.reference import Reference

_MOST_CONFIG = 16 << 20


class RegistrySource:
    """The image that a reference points to."""

    def __init__(self, reference: Reference, client: Client) -> None:
        self._manifests = Manifests(client, reference.repository)
        self._blobs = Blobs(client, reference.repository)
        self.name = str(reference)
        top = self._find(reference.name)
        self.digest = top.digest
        self.images: Mapping[str, ImageParts] = (
            {
                platform: self._read_image(self._find(str(digest)), platform)
                for platform, (digest, _) in list_index(top.value).items()
            }
            if top.is_index
            else {(one := self._read_image(top, None)).platform: one}
        )

    def fetch(self, layer: LayerPart, file: IO[bytes]) -> None:
        self._blobs.fetch(layer.digest, layer.size, file, lambda _: None)

    def look(self, layer: LayerPart) -> None:
        if not self._blobs.has(layer.digest):
            raise RegistryError(f"{self.name} has lost the layer {layer.digest}", hint="publish it again")

    def _find(self, name: str) -> Manifest:
        found = self._manifests.find(name)
        if found is None:
            raise RegistryError(f"{self.name} is not installed", hint="check the name, and whether it was published")
        return found

    def _read_image(self, manifest: Manifest, platform: str | None) -> ImageParts:
        import io

        try:
            config = Digest.parse(manifest.value["config"]["digest"])
            size = read_size(manifest.value["config"]["size"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadImageError(f"{self.name}: {manifest.digest} is not an image manifest: {error}") from None
        if not 0 <= size <= _MOST_CONFIG:
            raise BadImageError(f"{self.name}: its config has {size} bytes")
        file = io.BytesIO()
        self._blobs.fetch(config, size, file, lambda _: None)
        return read_parts(manifest.digest, manifest.value, file.getvalue(), platform)
