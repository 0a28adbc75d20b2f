"""images/<recipe>/published.toml: what was published, where and when. A checkout is enough to pull and compare it.

Only `publish` writes it. It has nothing that changes when the same image is published again.
"""

from __future__ import annotations

import re
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
from imagefab.toml.record import Record, RecordError, parse_record

PUBLISHED_NAME = "published.toml"
_NAME = re.compile(r"[!-~]+\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedImage:
    """One host platform's image."""

    plan: Digest
    """The key of the plan that it was made from."""
    manifest: Digest
    config: Digest
    layers: tuple[Digest, ...]
    keys: tuple[Digest, ...] = ()
    """The layers' keys, which say what each is made from. Missing in records that an older imagefab wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    name: str
    """Registry, namespace and name, without tag or digest."""
    digest: Digest
    """The index's digest for several host platforms, else the manifest's."""
    platforms: tuple[HostPlatform, ...]
    tag: str = ""
    """The tag that keeps it on the registry."""
    when: datetime | None = None
    images: tuple[tuple[str, PublishedImage], ...] = ()
    """By host platform. Missing in records written by hand."""

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.digest}"

    @property
    def registry(self) -> str:
        return self.name.partition("/")[0]

    def is_of(self, name: str, plans: Mapping[str, Digest]) -> bool:
        """Whether it was published there, from exactly these plans, given by host platform."""
        return self.name == name and {platform: image.plan for platform, image in self.images} == plans


def render_published(recipe: str, published: Published) -> str:
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
    """Read published.toml, ignoring unknown fields. Raises StaleError if it is invalid."""

    try:
        record = parse_record(text)
        name, platforms = record.text("name", _NAME), record.texts("platforms", _PLATFORM)
        if not is_repository(name):
            raise record.error("is not the name of an image on a registry, without a tag", "name")
        if not platforms or not {*platforms} <= HOST_PLATFORMS.keys():
            raise record.error(f"are not host platforms ({', '.join(HOST_PLATFORMS)})", "platforms")
        return Published(
            name=name,
            digest=Digest.parse(record.text("digest", _DIGEST)),
            platforms=tuple(one for name, one in HOST_PLATFORMS.items() if name in platforms),
            tag=record.value("tag", str) if "tag" in record else "",
            when=record.value("published", datetime) if "published" in record else None,
            images=tuple((key, _read_image(one)) for key, one in record.tables("images") if key in platforms),
        )
    except RecordError as error:
        hint = f"remove it, and run `imagefab publish {recipe}`"
        raise StaleError(str(error), position=Position(file), hint=hint) from None


def _read_image(record: Record) -> PublishedImage:
    image = PublishedImage(
        plan=record.digest("plan"),
        manifest=record.digest("manifest"),
        config=record.digest("config"),
        layers=record.digests("layers"),
        keys=record.digests("keys") if "keys" in record else (),
    )
    if image.keys and len(image.keys) != len(image.layers):
        raise record.error("are not one for each layer", "keys")
    return image


def _quote_all(names: Any) -> str:
    return ", ".join(f'"{name}"' for name in names)


# -- in a project -----------------------------------------------------------------------------------------------------


def find_published(project: Project, name: str) -> Published | None:
    """What images/<recipe>/published.toml says was published. Raises StaleError if it is invalid."""
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
    """What was published of some recipes, with a warning for each invalid record, which is left out."""
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
