"""Provenance: an in-toto statement with SLSA's predicate, of recipe, lock, builder, materials and layers.

It has no dates: the same image from the same store has the same statement. For each layer it says which engine built
it, and whether that was for this image, earlier for another, or on another machine, as far as that is on record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imagefab import __version__
from imagefab.attest.sbom import package_url, wheel_url
from imagefab.digest import Digest, canonical_json
from imagefab.lock.model import Lock
from imagefab.oci.image import LAYER, ImageSet
from imagefab.oci.layer import Layer, Origin

STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:imagefab:build:1"
BUILDER = "urn:imagefab:builder"


def make_provenance(
    name: str,
    images: ImageSet,
    lock: Lock,
    *,
    target: str,
    files: Mapping[str, Digest],
    plans: Mapping[str, Digest],
    homes: Mapping[str, Mapping[str, Sequence[str]]],
    builder: str = BUILDER,
) -> bytes:
    """Make the provenance of a recipe's images.

    `name` is the image's name on the registry; `files` are the project files that define it; `plans` are the keys of
    the plans it was built from, by host platform; `homes` has the packages of each layer, by host platform and the
    layer's name.
    """
    subjects = {str(images.digest): name} | {str(image.digest): name for image in images.images}
    platforms = [image.platform.name for image in images.images]
    return canonical_json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {"name": given, "digest": {"sha256": Digest.parse(digest).hex}} for digest, given in subjects.items()
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {"recipe": lock.recipe, "target": target, "platforms": platforms},
                    "internalParameters": {"inputs": str(lock.inputs), "epoch": lock.epoch},
                    "resolvedDependencies": [
                        *({"name": path, "digest": {"sha256": digest.hex}} for path, digest in sorted(files.items())),
                        *_list_materials(lock, platforms),
                        *_list_foreign_layers(images),
                    ],
                },
                "runDetails": {
                    "builder": {"id": builder, "version": {"imagefab": __version__}},
                    "byproducts": [
                        _describe_layer(layer, image.platform.name, plans, homes)
                        for image in images.images
                        for layer in image.layers
                    ],
                },
            },
        }
    )


def _describe_layer(
    layer: Layer, platform: str, plans: Mapping[str, Digest], homes: Mapping[str, Mapping[str, Sequence[str]]]
) -> dict[str, Any]:
    origin = layer.origin or Origin()
    packages = " ".join(homes.get(platform, {}).get(layer.name, ())) or None
    said = {"engine": origin.engine, "imagefab": origin.version, "from": origin.place, "packages": packages}
    return {
        "name": f"{platform} {layer.name}",
        "mediaType": LAYER,
        "digest": {"sha256": layer.digest.hex},
        "annotations": {key: value for key, value in said.items() if value is not None}
        | {"cached": origin.place is not None or origin.plan is None or origin.plan != plans.get(platform)},
    }


def _list_foreign_layers(images: ImageSet) -> list[dict[str, Any]]:
    """List shared layers as materials, like packages: they are as trustworthy as whoever can write there."""
    found = {}
    for layer in (layer for image in images.images for layer in image.layers):
        if layer.origin is not None and layer.origin.place is not None:
            uri = f"oci://{layer.origin.place}@{layer.digest}"
            found[layer.digest] = {"uri": uri, "name": layer.name, "digest": {"sha256": layer.digest.hex}}
    return list(found.values())


def read_predicate(statement: bytes) -> bytes:
    """A statement's predicate, which signers put into a statement of their own."""
    return canonical_json(json.loads(statement)["predicate"])


def _list_materials(lock: Lock, platforms: list[str]) -> list[dict[str, Any]]:
    archives = {archive.name: archive for archive in lock.archives}
    found: dict[str, dict[str, Any]] = {}
    for archive in lock.archives:
        found[archive.name] = {
            "name": f"{archive.archive} {archive.suite} {archive.date}, InRelease",
            "digest": {"sha256": archive.release.hex},
        }
    for layer in (layer for one in lock.platforms if one.platform in platforms for layer in one.layers):
        for pin in (*layer.packages, *layer.extracts):
            found[str(pin.sha256)] = {
                "uri": package_url(pin, archives[pin.archive]),
                "name": pin.file_name,
                "digest": {"sha256": pin.sha256.hex},
            }
    for source in (source for source in lock.sources if source.platform in (None, *platforms)):
        uri = {"uri": wheel_url(source.wheel)} if source.wheel else {}
        found[str(source.sha256)] = uri | {"name": source.name, "digest": {"sha256": source.sha256.hex}}
    return list(found.values())
