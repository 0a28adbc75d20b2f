"""Verify images: build one again from its lock, in a store of its own, and compare.

Only packages are taken from the user's store, and each is hashed and compared with the lock again. The other image is
on a registry, in an OCI layout, or in the user's store.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import ImagefabError, StaleError, UsageError
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.flows.build import EngineChoice, Workshop, build_recipe, make_workshop
from imagefab.flows.diff import hold_to_content, open_registry_source
from imagefab.flows.inputs import Wanted
from imagefab.flows.pin import find_built
from imagefab.flows.prepare import Prepared, choose_platforms
from imagefab.flows.workspace import Workspace
from imagefab.oci.compare import (
    DifferenceKind,
    FileDifference,
    ImageDifference,
    bound_content,
    compare_layers,
    find_difference,
)
from imagefab.oci.image import ImageSet
from imagefab.oci.parts import ImageParts, LayerPart, LayoutSource, Source, StoreSource, is_layout
from imagefab.platforms import ALL
from imagefab.records.published import Published, find_published
from imagefab.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The image to compare with: in full if it is available, else only its digest."""

    name: str
    digest: Digest
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformComparison:
    platform: str
    mine: ImageParts
    theirs: ImageParts | None
    difference: ImageDifference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    recipe: str
    given: Given
    images: ImageSet
    """The images that were built."""
    platforms: tuple[PlatformComparison, ...]
    is_part: bool
    """Whether some platforms were left out, so that the digest of the whole says nothing."""
    seconds: float

    @property
    def is_same(self) -> bool:
        if self.given.source is None:
            return self.given.digest in {self.images.digest, *(image.digest for image in self.images.images)}
        if not self.is_part:
            return self.images.digest == self.given.digest
        return all(one.difference is None and one.theirs is not None for one in self.platforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    recipes: tuple[str, ...]
    against: str | None = None
    """An image on a registry, an OCI layout or a digest; None means the published image, or else the one in the store.
    """
    engine: EngineChoice = field(default_factory=EngineChoice)
    platforms: tuple[str, ...] = ()


# -- the flow ----------------------------------------------------------------------------------------------------------


def verify(workspace: Workspace, request: VerifyRequest) -> Iterator[Verified | ImagefabError]:
    """Verify one recipe after another. A recipe that can't be verified doesn't stop the others."""
    if request.against is not None and len(set(request.recipes)) > 1:
        raise UsageError("--against can be used with one recipe only")
    workspace.use_store()
    for prepared in workspace.prepare(request.recipes):
        try:
            yield _verify(workspace, request, prepared, _find_given(workspace, request, prepared))
        except ImagefabError as error:
            yield error


def _verify(workspace: Workspace, request: VerifyRequest, prepared: Prepared, given: Given) -> Verified:
    recipe = prepared.recipe
    published = find_published(workspace.project, recipe.name) if given.source is None else None
    platforms = choose_compared(prepared, given, request.platforms, published)
    with make_fresh_store(workspace.store) as fresh:

        def fetch(wanted: Wanted) -> None:
            workspace.fetch(wanted)
            inputs = [pin.sha256 for pin in wanted.pins] + [one.digest for one in wanted.sources]
            lend_inputs(workspace.store, fresh, inputs)

        workshop = replace(make_workshop(workspace, request.engine, no_cache=True, store=fresh), fetch=fetch)
        found = verify_recipe(prepared, given, platforms, workshop)
        if (
            given.source is None
            and not request.platforms
            and not found.is_same
            and len(platforms) < len(recipe.platforms)
        ):
            workspace.progress.say(
                f"{recipe.name}: not {given.name} for {', '.join(platforms)}; trying all host platforms"
            )
            return verify_recipe(prepared, given, recipe.platforms, workshop)
        return found


def _find_given(workspace: Workspace, request: VerifyRequest, prepared: Prepared) -> Given:
    """Find the image to compare with."""
    against, recipe = request.against, prepared.recipe.name
    if against is None:
        published = find_published(workspace.project, recipe)
        if published is not None:
            return _ask_registry(workspace, published.reference)
        images = find_built(prepared, workspace.store, workspace.progress)
        if not images.images:
            raise StaleError(
                f"{recipe} is neither published nor built: there is no image to compare with",
                hint="use --against to name an image",
            )
        source = StoreSource(images, workspace.store)
        return Given(name=source.name, digest=source.digest, source=source)
    if is_layout(Path(against)):
        layout = LayoutSource(Path(against), wanted=recipe)
        return Given(name=layout.name, digest=layout.digest, source=layout)
    try:
        return Given(name=against, digest=Digest.parse(against))
    except ValueError:
        return _ask_registry(workspace, against)


def _ask_registry(workspace: Workspace, text: str) -> Given:
    source = open_registry_source(workspace, text)
    return Given(name=text, digest=source.digest, source=source)


# -- one recipe --------------------------------------------------------------------------------------------------------


@contextmanager
def make_fresh_store(store: Store) -> Iterator[Store]:
    """A store without layers next to the user's, whose packages can be linked into it."""
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
    """Link blobs into a store without copying. The store has no record of them, so they are hashed before use."""
    for digest in digests:
        source, target = store.blob_path(digest), fresh.blob_path(digest)
        if not source.exists() or target.exists():
            continue
        with explain_disk_errors(target, STORE):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)


def choose_compared(
    prepared: Prepared, given: Given, asked: Sequence[str], published: Published | None
) -> tuple[str, ...]:
    """The platforms that the other image has, or for a digest alone, those published or else this machine's."""
    recipe = prepared.recipe
    theirs = list(given.source.images) if given.source is not None else []
    if asked and theirs and (lacking := [name for name in asked if name not in (*theirs, ALL)]):
        choose_platforms(recipe, asked)
        raise UsageError(f"{given.name} has no image for {', '.join(lacking)}", hint=f"it has {', '.join(theirs)}")
    if not theirs and published is not None and published.digest == given.digest:
        theirs = [one.name for one in published.platforms]
    have = [name for name in theirs if name in recipe.platforms] or theirs
    return choose_platforms(recipe, asked, otherwise=have, every=have)


def verify_recipe(prepared: Prepared, given: Given, platforms: Sequence[str], workshop: Workshop) -> Verified:
    """Build in the workshop's store, which has no layers, and compare."""
    outcome = build_recipe(prepared, platforms, workshop)
    mine = StoreSource(outcome.images, workshop.store)
    theirs: Mapping[str, ImageParts] = given.source.images if given.source is not None else {}
    compared = []
    for name in platforms:
        other = theirs.get(name)
        if other is not None and given.source is not None:
            other = hold_to_content(other, given.source, mine.images[name], workshop.store)
        difference = find_difference(mine.images[name], other) if other is not None else None
        if other is not None and difference is None and given.source is not None:
            # The digests of the layers match; the layers themselves must be there too.
            for layer in other.layers:
                given.source.look(layer)
        if difference is not None and other is not None and given.source is not None:
            difference = _look_into(difference, mine, given.source, name, workshop.store)
        compared.append(PlatformComparison(platform=name, mine=mine.images[name], theirs=other, difference=difference))
    return Verified(
        recipe=prepared.recipe.name,
        given=given,
        images=outcome.images,
        platforms=tuple(compared),
        is_part=bool(theirs) and set(platforms) != set(theirs),
        seconds=outcome.seconds,
    )


def _look_into(
    difference: ImageDifference, mine: Source, theirs: Source, platform: str, store: Store
) -> ImageDifference:
    """Add the files of the first layer that differs."""
    if difference.kind is not DifferenceKind.CONTENT or difference.layer is None:
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
