"""Config, manifest and index: pure functions from layers and a plan's metadata to bytes and their digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagefab.digest import Digest, canonical_json
from imagefab.oci.layer import Layer
from imagefab.platforms import HostPlatform

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

LOCAL_NAMESPACE = "localhost/imagefab"
"""Prefix of the names of images loaded into an engine. Engines pull nothing from there."""


def local_pin(recipe: str, digest: Digest) -> str:
    """A permanent name for one loaded image. Engines know no digest for images that they did not pull."""
    return f"{LOCAL_NAMESPACE}/{recipe}:sha256-{digest.short}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One host platform's image."""

    platform: HostPlatform
    layers: tuple[Layer, ...]
    config: bytes
    manifest: bytes

    @property
    def config_digest(self) -> Digest:
        return Digest.of_bytes(self.config)

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self.manifest)

    @property
    def size(self) -> int:
        """What a registry stores and a pull transfers."""
        return sum(layer.size for layer in self.layers) + len(self.config) + len(self.manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """A recipe's images, which one reference pins."""

    recipe: str
    images: tuple[Image, ...]

    @property
    def index(self) -> bytes | None:
        """None for a single platform: an index around one image would give it a second digest."""
        return make_index(self.images) if len(self.images) > 1 else None

    @property
    def digest(self) -> Digest:
        index = self.index
        return Digest.of_bytes(index) if index is not None else self.images[0].digest

    @property
    def reference(self) -> str:
        return f"{self.recipe}@{self.digest}"


def make_image(
    platform: HostPlatform,
    layers: Sequence[Layer],
    *,
    epoch: int,
    env: Sequence[tuple[str, str]],
    labels: Sequence[tuple[str, str]],
    command: Sequence[str],
) -> Image:
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = canonical_json(
        {
            "architecture": platform.oci_arch,
            "os": "linux",
            "created": created,
            "config": {
                "Env": [f"{name}={value}" for name, value in env],
                "Cmd": list(command),
                "Labels": dict(labels),
            },
            "rootfs": {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]},
            "history": [{"created": created, "created_by": f"imagefab: {layer.name}"} for layer in layers],
        }
    )
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, Digest.of_bytes(config), len(config)),
            "layers": [_descriptor(LAYER, layer.digest, layer.size) for layer in layers],
        }
    )
    return Image(platform=platform, layers=tuple(layers), config=config, manifest=manifest)


def make_index(images: Sequence[Image]) -> bytes:
    return canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                _descriptor(MANIFEST, image.digest, len(image.manifest))
                | {"platform": {"architecture": image.platform.oci_arch, "os": "linux"}}
                for image in images
            ],
        }
    )


def _descriptor(media_type: str, digest: Digest, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(digest), "size": size}
