"""Compare two recipes, locks or images.

A recipe's name stands for both its lock and its image in the store.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from imagefab.ci.revision import read_at
from imagefab.digest import Digest
from imagefab.errors import ImagefabError, StaleError, UsageError
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.files.plain import MOST_GENERATED
from imagefab.flows.pin import find_built
from imagefab.flows.prepare import lock_path, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.lock.file import (
    LOCK_NAME,
    ReadBase,
    assemble_lock,
    find_lock_file,
    place_bases,
    read_bases_beside,
    read_lock,
)
from imagefab.lock.model import Lock, LockFile
from imagefab.lock.staleness import PackageChange, compare_locks
from imagefab.lock.text import parse_lock
from imagefab.oci.compare import (
    Entry,
    FileDifference,
    ImageDifference,
    bound_content,
    compare_entries,
    find_difference,
    hash_content,
    lay_over,
    read_entries,
)
from imagefab.oci.parts import ImageParts, LayerPart, LayoutSource, Source, StoreSource, is_layout
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.model import Recipe
from imagefab.recipe.project import Project
from imagefab.registry.pull import RegistrySource
from imagefab.registry.reference import Reference
from imagefab.store.store import Store

_AT_REVISION = re.compile(rf"([^:]+):((?:[^:]+/)?{re.escape(LOCK_NAME)})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    name: str
    lock: Lock | None = None
    """Joined with its bases', if these are at hand."""
    own: Lock | None = None
    """What the lock's file itself has."""
    source: Source | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformDifference:
    platform: str
    sizes: tuple[int, int]
    difference: ImageDifference | None
    files: tuple[FileDifference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    names: tuple[str, str]
    packages: tuple[PackageChange, ...] | None
    """None if either side has no lock."""
    images: tuple[PlatformDifference, ...] | None
    """One for each host platform that both sides have; None if either side has no image."""
    only_one: tuple[str, ...]
    """Host platforms that only one side has."""

    @property
    def is_same(self) -> bool:
        return not self.packages and not self.only_one and all(one.difference is None for one in self.images or ())


def diff(workspace: Workspace, one: str, other: str) -> Comparison:
    """Compare two recipes, locks, images on registries or OCI layouts."""
    sides = [open_side(workspace, text) for text in (one, other)]
    workspace.store.hold()
    return compare(sides[0], sides[1], workspace.store)


def open_side(workspace: Workspace, text: str) -> Side:
    if text in list_recipes(workspace.project):
        (recipe,) = workspace.load_recipes([text])
        return open_recipe(workspace.project, recipe, workspace.store, workspace.progress)
    if (found := open_path(Path(text), workspace.progress)) is not None:
        return found
    if (at := _AT_REVISION.fullmatch(text)) is not None:
        return _open_at(workspace, at[1], PurePosixPath(at[2]))
    if "/" not in text:
        # Raises the error for an unknown recipe, with its hint.
        workspace.load_recipes([text])
    return Side(name=text, source=open_registry_source(workspace, text))


def _open_at(workspace: Workspace, revision: str, path: PurePosixPath) -> Side:
    """A lock at a Git revision, with its bases' of the same revision. The path is relative to the project."""

    def read(path: PurePosixPath) -> str | None:
        folder = path.parent.as_posix()
        found = read_at(workspace.project.root, revision, [LOCK_NAME], below=folder, most=MOST_GENERATED)
        data = found.get(path.as_posix())
        return data.decode(errors="replace") if data is not None else None

    shown, text = f"{revision}:{path}", read(path)
    if text is None:
        raise UsageError(f"there is no {path} at {revision}", hint="the path is relative to the project")
    places = place_bases(Path(path))
    return _open_lock(
        shown,
        parse_lock(text, file=shown, recipe=path.parent.name),
        lambda base: (f"{revision}:{places(base).as_posix()}", read(PurePosixPath(places(base)))),
        workspace.progress,
    )


def _open_lock(shown: str, file: LockFile, read_base: ReadBase, progress: Progress) -> Side:
    try:
        return Side(name=shown, lock=assemble_lock(file, shown, read_base), own=file.own)
    except StaleError as error:
        progress.warn(f"{error.problem}; of {shown} only its own packages are compared")
        return Side(name=shown, own=file.own)


def open_registry_source(workspace: Workspace, text: str) -> RegistrySource:
    reference = Reference.parse(text)
    return RegistrySource(reference, workspace.registries.open(reference.repository.host))


def open_recipe(project: Project, recipe: Recipe, store: Store, progress: Progress) -> Side:
    """A recipe's lock, and the images built for it in the store."""
    path = lock_path(project, recipe.name)
    lock = read_lock(path, recipe=recipe.name, shown=project.show(path))
    try:
        prepared = prepare_recipe(project, recipe)
    except ImagefabError as error:
        progress.warn(f"{error.problem}; no image is compared")
        return Side(name=recipe.name, lock=lock, own=lock)
    images = find_built(prepared, store, progress)
    return Side(name=recipe.name, lock=lock, own=lock, source=StoreSource(images, store) if images.images else None)


def open_path(path: Path, progress: Progress) -> Side | None:
    """A lock or an OCI layout, if the path is one."""
    if is_layout(path):
        return Side(name=str(path), source=LayoutSource(path))
    if not _is_file(path):
        return None
    if path.name != LOCK_NAME and not path.name.endswith(".lock"):
        raise UsageError(f"{path} is neither a lock nor an OCI layout", hint="locks are called imagefab.lock")
    file = find_lock_file(path)
    assert file is not None
    return _open_lock(str(path), file, read_bases_beside(path, str(path)), progress)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def compare(one: Side, other: Side, store: Store) -> Comparison:
    """Compare both sides. Raises UsageError if they have nothing in common to compare."""
    packages = _compare_packages(one, other)
    if one.source is None or other.source is None:
        if packages is None:
            lacking = one.name if one.source is None else other.name
            raise UsageError(
                f"{one.name} and {other.name} can't be compared: one is a lock, the other an image",
                hint=f"is {lacking} built?",
            )
        return Comparison(names=(one.name, other.name), packages=packages, images=None, only_one=())
    mine, theirs = one.source.images.keys(), other.source.images.keys()
    return Comparison(
        names=(one.name, other.name),
        packages=packages,
        images=tuple(_compare_images(name, one.source, other.source, store) for name in sorted(mine & theirs)),
        only_one=tuple(sorted(mine ^ theirs)),
    )


def _compare_packages(one: Side, other: Side) -> tuple[PackageChange, ...] | None:
    """What differs between two locks: with their bases', if both have these at hand."""
    if one.lock is not None and other.lock is not None:
        return compare_locks(one.lock, other.lock)
    return compare_locks(one.own, other.own) if one.own is not None and other.own is not None else None


def hold_to_content(image: ImageParts, source: Source, other: ImageParts, store: Store) -> ImageParts:
    """The image with diff_ids computed from its layers' content rather than taken from its config.

    For a layer whose digest `other` has too, its diff_id is taken from there.
    """
    known = {layer.digest: layer.diff_id for layer in other.layers}
    layers = tuple(
        replace(layer, diff_id=known.get(layer.digest) or _read_content(layer, source, store)) for layer in image.layers
    )
    return replace(image, layers=layers)


def _read_content(layer: LayerPart, source: Source, store: Store) -> Digest:
    with explain_disk_errors(store.root, STORE), tempfile.TemporaryFile(dir=store.scratch_folder()) as file:
        source.fetch(layer, file)
        file.seek(0)
        return hash_content(file, bound_content(layer, layer))


def _compare_images(platform: str, one: Source, other: Source, store: Store) -> PlatformDifference:
    mine = hold_to_content(one.images[platform], one, other.images[platform], store)
    theirs = hold_to_content(other.images[platform], other, mine, store)
    files: tuple[FileDifference, ...] = ()
    if [layer.diff_id for layer in mine.layers] != [layer.diff_id for layer in theirs.layers]:
        files = compare_entries(_read_tree(mine, one, store), _read_tree(theirs, other, store))
    return PlatformDifference(
        platform=platform, sizes=(mine.size, theirs.size), difference=find_difference(mine, theirs), files=files
    )


def _read_tree(image: ImageParts, source: Source, store: Store) -> Mapping[str, Entry]:
    tree: dict[str, Entry] = {}
    for layer in image.layers:
        with (
            explain_disk_errors(store.root, STORE),
            tempfile.TemporaryFile(dir=store.scratch_folder()) as file,
        ):
            source.fetch(layer, file)
            file.seek(0)
            lay_over(tree, read_entries(file, bound_content(layer, layer)))
    return tree
