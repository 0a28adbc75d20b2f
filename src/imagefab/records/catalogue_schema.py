"""The JSON schema of a catalogue, for programs that read it without imagefab."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imagefab.files.disk import write_atomic
from imagefab.platforms import HOST_PLATFORMS
from imagefab.records.catalogue import SCHEMA

FILE = "catalogue.schema.json"


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _object(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    about = {"description": description} if description else {}
    return {"type": "object", **about, "properties": properties, "required": list(properties)}


def _array(items: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items}


_DIGEST = _text("The image's digest.", pattern="^sha256:[0-9a-f]{64}$")
_NAMES: dict[str, Any] = {"type": "string"}
_PUBLICATION = {
    "digest": _DIGEST,
    "tag": _text("The tag that keeps the image on the registry; it never moves."),
    "published": _text("When it became the current image.", format="date-time"),
    "libc_floor": {
        "type": ["string", "null"],
        "description": "The newest version of the C library that programs linked in it may need.",
    },
}
_PLATFORM = _object(
    {
        "manifest": _text("The digest of this host platform's manifest.", pattern="^sha256:[0-9a-f]{64}$"),
        "size": {"type": ["integer", "null"], "minimum": 0, "description": "Compressed, in bytes."},
        "passed": _array(_NAMES, "Probes that passed."),
        "failed": _array(_NAMES, "Probes that failed."),
        "skipped": _array(_NAMES, "Probes that could not be tried."),
        "facts": {
            "type": "object",
            "description": "What probes found, such as versions of tools.",
            "additionalProperties": {"type": "string"},
        },
    }
)
_IMAGE = _object(
    {
        "recipe": _text("The recipe's name."),
        "description": _text("What the image is for."),
        "target": _text("The target triple."),
        "kind": _text("The kind of toolchain."),
        "runner": _text("What runs the target's programs."),
        "libc": {"type": ["string", "null"], "description": "The C library."},
        "default": {"type": "boolean", "description": "Whether it is preferred to other recipes for its target."},
        "reference": _text("The image by digest: `registry/namespace/recipe@sha256:…`."),
        **_PUBLICATION,
        "updated": _text("When this entry was written.", format="date-time"),
        "platforms": {
            "type": "object",
            "description": "The image for each host platform.",
            "propertyNames": {"enum": list(HOST_PLATFORMS)},
            "additionalProperties": _PLATFORM,
            "minProperties": 1,
        },
        "replaced": _array(_object(_PUBLICATION), "Earlier images, newest first."),
    }
)
CATALOGUE_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "imagefab catalogue",
    **_object(
        {
            "schema": {"const": SCHEMA},
            "images": _array(_IMAGE, "An image for each recipe, sorted by recipe."),
            "updates": _array(_NAMES, "The tags of the updates that are merged, newest first."),
        }
    ),
}


def render_catalogue_schema() -> str:
    return json.dumps(CATALOGUE_SCHEMA, indent=2, ensure_ascii=False) + "\n"


def write_catalogue_schema(images: Path) -> None:
    write_atomic(images / FILE, render_catalogue_schema().encode())
