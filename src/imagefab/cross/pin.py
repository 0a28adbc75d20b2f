"""Pins: image references that always mean the same image.

There are two forms. `registry/namespace/recipe@sha256:…` can be pulled by others. An image that is only loaded into the
local engine has no such reference, because engines know a digest only for images that they pulled. It is pinned by a
tag that `build --load` derives from its digest and never gives to another image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagefab.digest import Digest
from imagefab.oci.image import LOCAL_NAMESPACE
from imagefab.platforms import HostPlatform

BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}\Z")
_BY_ID = re.compile(r"(sha256:)?[0-9a-f]{64}\Z")
_LOCAL = re.compile(rf"{re.escape(LOCAL_NAMESPACE)}/[^:@]+:sha256-[0-9a-f]{{12,64}}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    reference: str
    """The value for Cross.toml."""
    digest: Digest
    """The index's digest if there are several host platforms, else the manifest's."""
    platforms: tuple[HostPlatform, ...]
    is_there: bool = True
    """Whether the image is known to exist at the reference."""


def is_fixed(reference: str) -> bool:
    """Return whether a reference always means the same image: by digest, by id, or by a tag from `build --load`."""
    return any(pattern.match(reference) for pattern in (BY_DIGEST, _BY_ID, _LOCAL))


def is_local(reference: str) -> bool:
    """Return whether an image is only on this machine, by its name: no registry and no namespace, or `localhost/`."""
    return "/" not in reference or reference.startswith("localhost/")


def find_digest(reference: str) -> Digest | None:
    """Return the digest that a reference has, if it has one."""
    return Digest.parse(reference.rpartition("@")[2]) if BY_DIGEST.match(reference) else None


def name_of(reference: str) -> str:
    """Return the last part of an image's name, which for imagefab's images is the recipe."""
    return reference.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
