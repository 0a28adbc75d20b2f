"""Images on record in a project: what published.toml and checked.toml name by digest.

Equal keys mean equal bytes. So if a layer or an image was published or checked under its key, a shared layer for the
same key, and an image with shared layers, must match it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath

from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.files.plain import MOST_GENERATED, BadFileError, read_text
from imagefab.records.checked import CHECKED_NAME, read_checked
from imagefab.records.published import PUBLISHED_NAME, parse_published

RECORDS = (PUBLISHED_NAME, CHECKED_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    layers: Mapping[Digest, Set[tuple[Digest, ...]]] = field(default_factory=dict)
    """Published layers, by key."""
    images: Mapping[Digest, Set[Digest]] = field(default_factory=dict)
    """Published or checked manifests, by their plans' keys."""

    def has_other(self, plan: Digest, manifest: Digest) -> bool:
        """Whether another image is on record for a plan."""
        return manifest not in self.images.get(plan, {manifest})


def list_recorded(images: Path) -> Iterator[tuple[str, str]]:
    """The records in a project's images folder, with their paths. Unreadable ones are skipped."""
    for name in RECORDS:
        for path in sorted(images.glob(f"*/{name}")):
            try:
                yield str(path), read_text(path, MOST_GENERATED)
            except BadFileError:
                continue


def read_recorded(texts: Iterable[tuple[str, str]]) -> Recorded:
    """Read records with their paths. Invalid ones are skipped."""
    layers: dict[Digest, set[tuple[Digest, ...]]] = defaultdict(set)
    images: dict[Digest, set[Digest]] = defaultdict(set)
    for name, text in texts:
        path = PurePosixPath(name)
        if path.name == CHECKED_NAME:
            for checked in read_checked(text).values():
                images[checked.plan].add(checked.manifest)
            continue
        try:
            published = parse_published(text, file=name, recipe=path.parent.name)
        except StaleError:
            continue
        for _, image in published.images:
            images[image.plan].add(image.manifest)
            pairs = zip(image.keys, image.layers, strict=False)
            for key, parts in groupby(pairs, key=lambda pair: pair[0]):
                layers[key].add(tuple(layer for _, layer in parts))
    return Recorded(layers=dict(layers), images=dict(images))
