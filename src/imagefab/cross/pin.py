"""Pins: an image's name that cannot mean another image tomorrow.

There are two kinds. `registry/namespace/recipe@sha256:…` is what others can pull. An image that is only loaded into
the local engine has no such name: engines know a digest for what they pulled, and nothing else. It goes by a tag that
`build --load` makes of its digest and that is never given to another image.
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
    """What goes into Cross.toml."""
    digest: Digest
    """The index's when there are several host platforms, else the manifest's."""
    platforms: tuple[HostPlatform, ...]
    is_there: bool = True
    """Whether it is known to be where the reference leads."""


def is_fixed(reference: str) -> bool:
    """Whether a reference means one image for ever: by digest, by id, or by a tag that `build --load` made."""
    return any(pattern.match(reference) for pattern in (BY_DIGEST, _BY_ID, _LOCAL))


def name_of(reference: str) -> str:
    """The last part of an image's name, which for our images is the recipe."""
    return reference.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
