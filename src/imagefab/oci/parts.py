"""The parts of any image, made by imagefab or not: its platform, config and layers.

A Source provides the bytes: the store, a registry, or the folder of an OCI layout.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.files.plain import MOST_GENERATED, BadFileError, read_bytes
from imagefab.oci.image import ImageSet
from imagefab.store.store import Store

_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPart:
    digest: Digest
    diff_id: Digest
    size: int
    name: str
    """What the image's maker called the layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageParts:
    platform: str
    digest: Digest
    config: Digest
    config_data: bytes
    layers: tuple[LayerPart, ...]

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)


class Source(Protocol):
    @property
    def name(self) -> str:
        """The source's name in messages."""

    @property
    def digest(self) -> Digest:
        """The digest of the whole."""

    @property
    def images(self) -> Mapping[str, ImageParts]:
        """Images by host platform."""

    def fetch(self, layer: LayerPart, file: IO[bytes]) -> None:
        """Write the layer's bytes, verified against its digest."""

    def look(self, layer: LayerPart) -> None:
        """Raise BadImageError, or another FetchError, if the layer is not available."""


class BadImageError(FetchError):
    """Something given as an image is not a valid one."""


def read_parts(digest: Digest, manifest: Mapping[str, Any], config: bytes, platform: str | None = None) -> ImageParts:
    """Combine what a manifest and its config say. Raises BadImageError if they don't match."""
    try:
        value = json.loads(config)
        diff_ids = [Digest.parse(text) for text in value["rootfs"]["diff_ids"]]
        names = [str(one.get("created_by", "")) for one in value.get("history") or [] if not one.get("empty_layer")]
        descriptors = manifest["layers"]
        names += [""] * (len(diff_ids) - len(names))
        return ImageParts(
            platform=platform or _read_platform(value),
            digest=digest,
            config=Digest.of_bytes(config),
            config_data=config,
            layers=tuple(
                LayerPart(
                    digest=Digest.parse(one["digest"]),
                    diff_id=diff_id,
                    size=read_size(one["size"]),
                    name=name.removeprefix("imagefab: "),
                )
                for one, diff_id, name in zip(descriptors, diff_ids, names[: len(diff_ids)], strict=True)
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadImageError(f"{digest} is not a readable image: {error}") from None


def _read_platform(config: Mapping[str, Any]) -> str:
    name = f"{config['os']}/{config['architecture']}"
    if not _PLATFORM.match(name):
        raise ValueError("its config has no platform")
    return name


def list_index(value: Mapping[str, Any]) -> dict[str, tuple[Digest, int]]:
    """The manifests of an index by host platform, without those for no platform."""
    found: dict[str, tuple[Digest, int]] = {}
    try:
        for one in value["manifests"]:
            platform = one.get("platform") or {}
            name = f"{platform.get('os', '')}/{platform.get('architecture', '')}"
            if platform.get("os") not in (None, "", "unknown") and _PLATFORM.match(name):
                found.setdefault(name, (Digest.parse(one["digest"]), read_size(one["size"])))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadImageError(f"not an image index: {error}") from None
    return found


def read_size(value: object) -> int:
    """Read a size. Raises ValueError if it is not one."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 50:
        raise ValueError(f"{value!r} is no size")
    return value


class StoreSource:
    """Images built in this store."""

    def __init__(self, images: ImageSet, store: Store) -> None:
        self._store = store
        self.name = f"{images.recipe} in the store"
        self.digest = images.digest
        self.images: Mapping[str, ImageParts] = {
            image.platform.name: read_parts(image.digest, json.loads(image.manifest), image.config)
            for image in images.images
        }

    def fetch(self, layer: LayerPart, file: IO[bytes]) -> None:
        _copy(self._store.blob_path(layer.digest), layer.digest, file)

    def look(self, layer: LayerPart) -> None:
        _copy(self._store.blob_path(layer.digest), layer.digest, None)


def is_layout(folder: Path) -> bool:
    """Whether a path is an OCI layout; any string is accepted."""
    try:
        return (folder / "oci-layout").is_file()
    except (OSError, ValueError):
        return False


class LayoutSource:
    """An OCI layout folder with one image, or one index of it for several platforms."""

    def __init__(self, folder: Path, *, wanted: str | None = None) -> None:
        """`wanted` is a recipe's name, to choose from several images."""
        self._folder = folder
        self.name = str(folder)
        descriptor = _choose(self._read_json(folder / "index.json"), folder, wanted)
        self.digest = Digest.parse(descriptor["digest"])
        value = self._read_manifest(self.digest)
        self.images: Mapping[str, ImageParts] = (
            {platform: self._read_image(digest, platform) for platform, (digest, _) in list_index(value).items()}
            if "manifests" in value
            else {(one := self._read_image(self.digest, None)).platform: one}
        )

    def fetch(self, layer: LayerPart, file: IO[bytes]) -> None:
        _copy(self._path(layer.digest), layer.digest, file)

    def look(self, layer: LayerPart) -> None:
        _copy(self._path(layer.digest), layer.digest, None)

    def _read_image(self, digest: Digest, platform: str | None) -> ImageParts:
        manifest = self._read_manifest(digest)
        try:
            config = Digest.parse(manifest["config"]["digest"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadImageError(f"{self._folder}: {digest} is not an image manifest: {error}") from None
        return read_parts(digest, manifest, self._read_blob(config), platform)

    def _read_manifest(self, digest: Digest) -> dict[str, Any]:
        try:
            value = json.loads(self._read_blob(digest))
        except (ValueError, RecursionError) as error:
            raise BadImageError(f"{self._folder}: {digest} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadImageError(f"{self._folder}: {digest} is not a manifest")
        return value

    def _read_blob(self, digest: Digest) -> bytes:
        data = self._read(self._path(digest))
        if Digest.of_bytes(data) != digest:
            raise BadImageError(f"{self._path(digest)} does not match its digest")
        return data

    def _path(self, digest: Digest) -> Path:
        return self._folder / "blobs" / "sha256" / digest.hex

    def _read_json(self, path: Path) -> Any:
        try:
            return json.loads(self._read(path))
        except (ValueError, RecursionError) as error:
            raise BadImageError(f"{path} is not JSON: {error}") from None

    def _read(self, path: Path) -> bytes:
        try:
            return read_bytes(path, MOST_GENERATED)
        except BadFileError as error:
            raise BadImageError(f"{path}: {error.problem}") from None


def _choose(index: Any, folder: Path, wanted: str | None) -> dict[str, Any]:
    listed = index.get("manifests") if isinstance(index, dict) else None
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    def name(one: dict[str, Any]) -> object:
        annotations = one.get("annotations")
        return annotations.get("org.opencontainers.image.ref.name") if isinstance(annotations, dict) else None

    chosen = [one for one in found if name(one) == wanted] or found
    if len(chosen) != 1:
        raise BadImageError(f"{folder} has {len(found)} images", hint="use an OCI layout with one image")
    try:
        Digest.parse(chosen[0]["digest"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadImageError(f"{folder}/index.json names no digest") from None
    return chosen[0]


def _copy(path: Path, digest: Digest, file: IO[bytes] | None) -> None:
    """Copy a blob and verify its digest; without a file, only verify it."""
    found = hashlib.sha256()
    try:
        source = path.open("rb")
    except OSError as error:
        raise BadImageError(f"{path} can't be read: {error.strerror}") from None
    with source:
        while piece := source.read(1 << 20):
            found.update(piece)
            if file is not None:
                file.write(piece)
    if found.hexdigest() != digest.hex:
        raise BadImageError(f"{path} does not match its digest")
