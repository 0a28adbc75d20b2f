"""images/<recipe>/published.toml: what was published, where and when. A checkout is enough to pull it, and to compare.

Only `publish` writes it. It says nothing that changes when the same image is published once more.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagefab.digest import Digest
from imagefab.errors import ImagefabError, Position, StaleError
from imagefab.files.plain import BadFileError, NoFileError, read_text
from imagefab.platforms import HOST_PLATFORMS, HostPlatform
from imagefab.progress import Progress
from imagefab.recipe.project import Project
from imagefab.registry.reference import is_repository

PUBLISHED_NAME = "published.toml"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedImage:
    """One host platform's part."""

    plan: Digest
    """The key of the plan that it was made from."""
    manifest: Digest
    config: Digest
    layers: tuple[Digest, ...]
    keys: tuple[Digest, ...] = ()
    """Of the layers: what each is made from. Not in records that an older imagefab wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    name: str
    """Registry, namespace and name, without tag and digest."""
    digest: Digest
    """The index's when there are several host platforms, else the manifest's."""
    platforms: tuple[HostPlatform, ...]
    tag: str = ""
    """The tag that keeps it on the registry."""
    when: datetime | None = None
    images: tuple[tuple[str, PublishedImage], ...] = ()
    """By host platform. Not in records that somebody wrote by hand."""

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def registry(self) -> str:
        return self.name.partition("/")[0]

    def is_of(self, name: str, plans: Mapping[str, Digest]) -> bool:
        """Whether it was published there, from exactly these plans, which are given by host platform."""
        return self.name == name and {platform: image.plan for platform, image in self.images} == plans


def print_published(recipe: str, published: Published) -> str:
    when = published.when or datetime.fromtimestamp(0, UTC)
    lines = [
        f"# Written by `imagefab publish {recipe}`; do not edit.",
        f'name = "{published.name}"',
        f'digest = "{published.digest}"',
        f'tag = "{published.tag}"',
        f"published = {when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"platforms = [{_quote_all(platform.name for platform in published.platforms)}]",
    ]
    for platform, image in published.images:
        lines += ["", f'[images."{platform}"]']
        lines += [f'{key} = "{getattr(image, key)}"' for key in ("plan", "manifest", "config")]
        for key, digests in (("layers", image.layers), ("keys", image.keys)):
            lines += [f"{key} = [", *(f'  "{one}",' for one in digests), "]"] if digests else []
    return "\n".join(lines) + "\n"


def parse_published(text: str, *, file: str, recipe: str) -> Published:
    """Read published.toml. It may say more than is asked here. StaleError when it cannot be believed."""

    def fail(problem: str) -> StaleError:
        return StaleError(problem, position=Position(file), hint=f"remove it, and run `imagefab publish {recipe}`")

    try:
        data: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise fail(f"this is not TOML: {error}") from None
    name, digest, platforms = (data.get(key) for key in ("name", "digest", "platforms"))
    if not isinstance(name, str) or not is_repository(name):
        raise fail("`name` is not the name of an image on a registry, without a tag")
    if not isinstance(digest, str) or not _DIGEST.match(digest):
        raise fail("`digest` is not `sha256:` and 64 hexadecimal digits")
    if not isinstance(platforms, list) or not platforms or not all(one in [*HOST_PLATFORMS] for one in platforms):
        raise fail(f"`platforms` is not a list of host platforms ({', '.join(HOST_PLATFORMS)})")
    tag, when = data.get("tag", ""), data.get("published")
    try:
        images = tuple((key, _read_image(one)) for key, one in data.get("images", {}).items() if key in platforms)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise fail("`images` does not say what was published") from None
    return Published(
        name=name,
        digest=Digest.parse(digest),
        platforms=tuple(one for name, one in HOST_PLATFORMS.items() if name in platforms),
        tag=tag if isinstance(tag, str) else "",
        when=when if isinstance(when, datetime) and when.tzinfo is not None else None,
        images=images,
    )


def _read_image(value: dict[str, Any]) -> PublishedImage:
    image = PublishedImage(
        plan=Digest.parse(value["plan"]),
        manifest=Digest.parse(value["manifest"]),
        config=Digest.parse(value["config"]),
        layers=tuple(Digest.parse(one) for one in value["layers"]),
        keys=tuple(Digest.parse(one) for one in value.get("keys", ())),
    )
    if image.keys and len(image.keys) != len(image.layers):
        raise ValueError("a key for each layer")
    return image


def _quote_all(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in names)


# -- in a project -----------------------------------------------------------------------------------------------------


def find_published(project: Project, name: str) -> Published | None:
    """What was published, as images/<recipe>/published.toml says. StaleError when it cannot be believed."""
    path = project.images_dir / name / PUBLISHED_NAME
    shown = project.show(path)
    try:
        text = read_text(path)
    except NoFileError:
        return None
    except BadFileError as error:
        hint = f"remove it, and run `imagefab publish {name}`"
        raise StaleError(error.problem, position=Position(shown), hint=hint) from None
    return parse_published(text, file=shown, recipe=name)


def list_published(project: Project, names: Iterable[str], progress: Progress) -> dict[str, Published]:
    """What was published of some recipes; records that can't be believed are said and left out."""
    found = {}
    for name in names:
        try:
            published = find_published(project, name)
        except ImagefabError as error:
            progress.warn(str(error))
            continue
        if published is not None:
            found[name] = published
    return found
