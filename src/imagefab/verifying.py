"""Is that the image that the lock makes? Build it once more, in a store of its own, and compare.

Nothing is taken over from the user's store but packages, and each of them is read and held against the lock again. What
it is compared with is on a registry, in an OCI layout, or what was built here before.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from imagefab.comparing import hold_to_content
from imagefab.digest import Digest
from imagefab.emit.published import Published
from imagefab.errors import UsageError
from imagefab.factory import Prepared, Workshop, build_recipe
from imagefab.oci.compare import Difference, FileDifference, Kind, bound_content, compare_layers, find_difference
from imagefab.oci.disk import STORE, explain_disk_errors
from imagefab.oci.image import ImageSet
from imagefab.oci.parts import ImageParts, LayerPart, Source, StoreSource
from imagefab.oci.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an image is compared with: all of it, where it is at hand, else its digest alone."""

    name: str
    digest: Digest
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformVerdict:
    platform: str
    mine: ImageParts
    theirs: ImageParts | None
    difference: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    recipe: str
    given: Given
    images: ImageSet
    """What was built now."""
    platforms: tuple[PlatformVerdict, ...]
    is_part: bool
    """Some of the platforms were left out, so that the digest of all of them says nothing."""
    seconds: float

    @property
    def is_same(self) -> bool:
        if self.given.source is None:
            return self.given.digest in {self.images.digest, *(image.digest for image in self.images.images)}
        if not self.is_part:
            return self.images.digest == self.given.digest
        return all(one.difference is None and one.theirs is not None for one in self.platforms)


@contextmanager
def make_fresh_store(store: Store) -> Iterator[Store]:
    """A store without layers, beside the user's; the packages of that one can be linked into it."""
    with explain_disk_errors(store.root, STORE):
        folder = Path(tempfile.mkdtemp(prefix="verify-", dir=store.scratch_folder()))
    fresh = Store(folder, remove=store.remove_folder)
    fresh.mark()
    try:
        yield fresh
    finally:
        fresh.close()
        store.remove_folder(folder)


def lend_inputs(store: Store, fresh: Store, digests: Sequence[Digest]) -> None:
    """Give a store what another has, without a copy. It is not known there, so whoever uses it reads it first."""
    for digest in digests:
        source, target = store.blob_path(digest), fresh.blob_path(digest)
        if not source.exists() or target.exists():
            continue
        with explain_disk_errors(target, STORE):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)


def choose_platforms(
    prepared: Prepared, given: Given, asked: Sequence[str] | None, published: Published | None = None
) -> Sequence[str]:
    """Those that the other image has. Of one that is only a digest: as it was published, else this machine's."""
    theirs = list(given.source.images) if given.source is not None else []
    if asked:
        prepared.choose(asked)
        if theirs and (lacking := [name for name in asked if name not in theirs]):
            raise UsageError(f"{given.name} has nothing for {', '.join(lacking)}", hint=f"it has {', '.join(theirs)}")
        return asked
    if not theirs and published is not None and published.digest == given.digest:
        theirs = [one.name for one in published.platforms]
    elif not theirs:
        return [prepared.default_platform]
    prepared.choose([name for name in theirs if name in prepared.recipe.platforms] or theirs)
    return [name for name in prepared.recipe.platforms if name in theirs]


def verify(prepared: Prepared, given: Given, platforms: Sequence[str], workshop: Workshop) -> Verdict:
    """Build in the workshop's store, which has no layers, and compare."""
    outcome = build_recipe(prepared, platforms, workshop)
    mine = StoreSource(outcome.images, workshop.store)
    theirs: Mapping[str, ImageParts] = given.source.images if given.source is not None else {}
    verdicts = []
    for name in platforms:
        other = theirs.get(name)
        if other is not None and given.source is not None:
            other = hold_to_content(other, given.source, mine.images[name], workshop.store)
        difference = find_difference(mine.images[name], other) if other is not None else None
        if other is not None and difference is None and given.source is not None:
            # What names the layers is right. They must be there too.
            for layer in other.layers:
                given.source.look(layer)
        if difference is not None and other is not None and given.source is not None:
            difference = _look_into(difference, mine, given.source, name, workshop.store)
        verdicts.append(PlatformVerdict(platform=name, mine=mine.images[name], theirs=other, difference=difference))
    return Verdict(
        recipe=prepared.recipe.name,
        given=given,
        images=outcome.images,
        platforms=tuple(verdicts),
        is_part=bool(theirs) and set(platforms) != set(theirs),
        seconds=outcome.seconds,
    )


def _look_into(difference: Difference, mine: Source, theirs: Source, platform: str, store: Store) -> Difference:
    """With the files of the first layer that differs."""
    if difference.kind is not Kind.CONTENT or difference.layer is None:
        return difference
    one, other = (source.images[platform].layers[difference.layer] for source in (mine, theirs))
    files = compare_content(one, mine, other, theirs, store)
    return replace(difference, files=files)


def compare_content(
    one: LayerPart, mine: Source, other: LayerPart, theirs: Source, store: Store
) -> tuple[FileDifference, ...]:
    with (
        explain_disk_errors(store.root, STORE),
        tempfile.TemporaryFile(dir=store.scratch_folder()) as here,
        tempfile.TemporaryFile(dir=store.scratch_folder()) as there,
    ):
        mine.fetch(one, here)
        theirs.fetch(other, there)
        here.seek(0)
        there.seek(0)
        return compare_layers(here, there, most=bound_content(one, other))
