"""Write images as folders and archives that other tools read: OCI layouts, and what `docker load` takes.

The archive is both: an OCI layout, and Docker's manifest.json whose paths point to the same blobs. Old engines read the
latter, newer engines and Podman the former, and both use the config's digest as the image's ID.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from imagefab.digest import Digest, canonical_json
from imagefab.errors import UsageError
from imagefab.files.disk import OUTPUT, explain_disk_errors, make_folder
from imagefab.oci.image import INDEX, MANIFEST, Image, ImageSet
from imagefab.store.store import Store

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def write_layout(images: Sequence[ImageSet], folder: Path, store: Store) -> None:
    """Write an OCI layout folder, completely or not at all. Nothing that exists is replaced."""
    folder = Path(os.path.realpath(folder))
    check_is_free(folder)
    make_folder(folder.parent, OUTPUT)
    with explain_disk_errors(folder, OUTPUT, every=True):
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.parent))
    with explain_disk_errors(folder, OUTPUT):
        try:
            blobs = fresh / "blobs" / "sha256"
            blobs.mkdir(parents=True)
            for image_set in images:
                for digest, data in _documents(image_set):
                    (blobs / digest.hex).write_bytes(data)
                for layer in {layer.digest for image in image_set.images for layer in image.layers}:
                    if not (blobs / layer.hex).exists():
                        shutil.copyfile(store.blob_path(layer), blobs / layer.hex)
            (fresh / "oci-layout").write_bytes(_LAYOUT)
            (fresh / "index.json").write_bytes(canonical_json(_outer_index(images)))
            fresh.chmod(0o755)
            fresh.rename(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def check_is_free(folder: Path) -> None:
    """Raise UsageError unless the folder is new or empty, so that a layout can be written there."""
    with explain_disk_errors(folder, OUTPUT, every=True):
        is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free:
        raise UsageError(f"{folder} exists and is not empty", hint="use a new or empty folder")


def _documents(images: ImageSet) -> Iterator[tuple[Digest, bytes]]:
    for image in images.images:
        yield image.config_digest, image.config
        yield image.digest, image.manifest
    if images.index is not None:
        yield images.digest, images.index


def _outer_index(images: Sequence[ImageSet]) -> dict[str, Any]:
    """The layout's entry point: one descriptor for each recipe, named the way skopeo and others expect."""
    return {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                "mediaType": MANIFEST if given.index is None else INDEX,
                "digest": str(given.digest),
                "size": len(given.index or given.images[0].manifest),
                "annotations": {"org.opencontainers.image.ref.name": given.recipe},
            }
            for given in images
        ],
    }


def write_archive(image: Image, name: str, store: Store, out: IO[bytes]) -> None:
    """Write one image as a stream for `docker load` and `podman load`, with a name (`imagefab/aarch64-musl:latest`)."""
    single = ImageSet(recipe=name, images=(image,))
    write_loadable(
        out,
        name,
        (f"blobs/sha256/{image.config_digest.hex}", image.config),
        ((f"blobs/sha256/{layer.digest.hex}", partial(store.open_blob, layer.digest)) for layer in image.layers),
        also=(
            ("oci-layout", _LAYOUT),
            ("index.json", canonical_json(_outer_index([single]))),
            (f"blobs/sha256/{image.digest.hex}", image.manifest),
        ),
    )


def write_loadable(
    out: IO[bytes],
    name: str,
    config: tuple[str, bytes],
    layers: Iterable[tuple[str, Callable[[], IO[bytes]]]],
    *,
    also: Iterable[tuple[str, bytes]] = (),
) -> None:
    """Write an image as a stream for `docker load`. Config, layers and what comes beside them have a path each."""
    written: list[str] = []
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path, data in (*also, config):
            _add(tar, path, io.BytesIO(data), len(data))
        for path, open_layer in layers:
            if path not in written:
                with open_layer() as file:
                    _add(tar, path, file, file.seek(0, io.SEEK_END))
            written.append(path)
        manifest = json.dumps([{"Config": config[0], "RepoTags": [name], "Layers": written}]).encode()
        _add(tar, "manifest.json", io.BytesIO(manifest), len(manifest))


def _add(tar: tarfile.TarFile, path: str, file: IO[bytes], size: int) -> None:
    file.seek(0)
    info = tarfile.TarInfo(path)
    info.size = size
    tar.addfile(info, file)
