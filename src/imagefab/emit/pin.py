"""Pins: an image's name that cannot mean another image tomorrow.

There are two kinds. `registry/namespace/recipe@sha256:…` is what others can pull. An image that is only loaded into
the local engine has no such name: engines know a digest for what they pulled, and nothing else. It goes by a tag that
`build --load` makes of its digest and that is never given to another image.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from imagefab.digest import Digest
from imagefab.errors import Position, StaleError
from imagefab.oci.image import LOCAL_NAMESPACE
from imagefab.platforms import HOST_PLATFORMS, HostPlatform

_REPOSITORY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+\Z")
_BY_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}\Z")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What images/<recipe>/published.toml says of an image: the part of it that a pin needs."""

    name: str
    """Registry, namespace and name, without tag and digest."""
    digest: Digest
    platforms: tuple[HostPlatform, ...]


def parse_published(text: str, *, file: str, recipe: str) -> Published:
    """Read published.toml. It may say more than is asked here. StaleError when it cannot be believed."""

    def fail(problem: str) -> StaleError:
        return StaleError(problem, position=Position(file), hint=f"run `imagefab publish {recipe}` again")

    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise fail(f"this is not TOML: {error}") from None
    name, digest, platforms = (data.get(key) for key in ("name", "digest", "platforms"))
    if not isinstance(name, str) or not _REPOSITORY.match(name):
        raise fail("`name` is not the name of an image on a registry, without a tag")
    if not isinstance(digest, str) or not _BY_DIGEST.match(f"{name}@{digest}"):
        raise fail("`digest` is not `sha256:` and 64 hexadecimal digits")
    if not isinstance(platforms, list) or not platforms or not all(one in [*HOST_PLATFORMS] for one in platforms):
        raise fail(f"`platforms` is not a list of host platforms ({', '.join(HOST_PLATFORMS)})")
    return Published(
        name=name,
        digest=Digest.parse(digest),
        platforms=tuple(one for name, one in HOST_PLATFORMS.items() if name in platforms),
    )


def is_fixed(reference: str) -> bool:
    """Whether a reference means one image for ever: by digest, by id, or by a tag that `build --load` made."""
    return any(pattern.match(reference) for pattern in (_BY_DIGEST, _BY_ID, _LOCAL))


def name_of(reference: str) -> str:
    """The last part of an image's name, which for our images is the recipe."""
    return reference.partition("@")[0].rsplit("/", 1)[-1].partition(":")[0]
