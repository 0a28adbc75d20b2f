"""How an image was made, as an in-toto statement with SLSA's predicate: recipe, lock, builder and all materials.

Without dates and places: whoever makes the same image from the same checkout makes the same statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from imagefab import __version__
from imagefab.digest import Digest, canonical_json
from imagefab.emit.sbom import package_url, wheel_url
from imagefab.lock.model import Lock
from imagefab.oci.image import ImageSet

STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:imagefab:build:1"
BUILDER = "urn:imagefab:builder"


def make_provenance(
    name: str, images: ImageSet, lock: Lock, *, target: str, files: Mapping[str, Digest], builder: str = BUILDER
) -> bytes:
    """`name` is the image's on the registry; `files` are those of the project that say how it is made."""
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
                    ],
                },
                "runDetails": {"builder": {"id": builder, "version": {"imagefab": __version__}}},
            },
        }
    )


def read_predicate(statement: bytes) -> bytes:
    """What a statement says of its subjects, which is what a signer puts into one of its own."""
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
