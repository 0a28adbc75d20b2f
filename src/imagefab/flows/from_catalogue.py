"""Pin images in any Rust project, by the catalogue of a namespace on a registry: no recipes and no checkout needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagefab.attest.sign import Verifier
from imagefab.cross.choice import choose_one_each
from imagefab.cross.cross_toml import Entry, list_references, list_targets
from imagefab.cross.file import UserFile, locate
from imagefab.cross.pin import BY_DIGEST, Pin, find_digest, name_of
from imagefab.errors import ConfigError, FetchError, ImagefabError, UsageError, raise_all
from imagefab.flows.catalogue import read_catalogue
from imagefab.flows.cross_toml import Pinned, read_files, write_pins
from imagefab.flows.workspace import Workspace
from imagefab.records.catalogue import NAME, Catalogue
from imagefab.records.catalogue import Entry as Listed
from imagefab.toml.edit import find_value
from imagefab.toml.grammar import quote, suggest


@dataclass(frozen=True, slots=True, kw_only=True)
class FromRequest:
    namespace: str
    """Registry and namespace."""
    recipes: tuple[str, ...] = ()
    file: Path | None = None
    """None means Cross.toml, and the tables for cross in Cargo.toml."""
    cross: str | None = None
    """The version of cross that reads the file; None means to guess it from the file."""
    targets: bool = False
    """Pin all targets that the file has, also those that name another image or none."""
    with_tag: bool = False
    key: str | None = None
    """The public key that the catalogue must be signed with."""
    only_compare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    triple: str
    listed: Listed
    now: str
    """The image that the file names; empty if it names none."""


def pin_from_catalogue(workspace: Workspace, request: FromRequest, show: Callable[[ConfigError], None]) -> Pinned:
    """Write images of a namespace into a Cross.toml. `show` is called with non-fatal problems in it."""
    files = read_files(workspace, request.file)
    catalogue = _require_catalogue(workspace, request)
    choices = _choose(workspace, request, catalogue, files)
    entries = tuple(_make_entry(choice, request) for choice in choices)
    pinned = write_pins(workspace, files, entries, cross=request.cross, only_compare=request.only_compare, show=show)
    for text in filter(None, map(_compare_floors, choices)):
        workspace.progress.warn(text)
    return pinned


def _require_catalogue(workspace: Workspace, request: FromRequest) -> Catalogue:
    surroundings, namespace = workspace.surroundings, request.namespace
    verify = None
    if request.key is not None:
        verify = Verifier(request.key, surroundings.folder, workspace.keyring, surroundings.environment).verify
    found = read_catalogue(workspace.registries.open(namespace.partition("/")[0]), namespace, verify)
    if found is None:
        raise FetchError(
            f"{namespace} has no {NAME}",
            hint="`imagefab publish` writes it; check the name, and whether you may read there",
        )
    return found


# -- which images ------------------------------------------------------------------------------------------------------


def _choose(
    workspace: Workspace, request: FromRequest, catalogue: Catalogue, files: Sequence[UserFile]
) -> list[_Choice]:
    if request.recipes:
        named = {triple: name for file in reversed(files) for triple, name in list_references(file.cross).items()}
        return [*_choose_recipes(request, catalogue, named, files[0])]
    choices: dict[str, _Choice] = {}
    for file in files:
        found = (
            _choose_targets(workspace, request, catalogue, file)
            if request.targets
            else _choose_named(request, catalogue, file)
        )
        choices |= {choice.triple: choice for choice in found if choice.triple not in choices}
    if choices:
        return list(choices.values())
    shown = " and ".join(file.shown for file in files)
    if request.targets:
        raise UsageError(
            f"{shown} has no target that {request.namespace} has an image for",
            hint=f"name a recipe of it: {', '.join(entry.recipe for entry in catalogue.entries[:10])}",
        )
    raise UsageError(
        f"no image in {shown} is from {request.namespace}",
        hint="`--targets` pins all targets that the file has; a recipe's name adds its target, like "
        f"`imagefab cross-toml {_name_any(catalogue)} --from {request.namespace}`",
    )


def _name_any(catalogue: Catalogue) -> str:
    return catalogue.entries[0].recipe if catalogue.entries else "RECIPE"


def _choose_recipes(
    request: FromRequest, catalogue: Catalogue, named: dict[str, str], file: UserFile
) -> Iterator[_Choice]:
    found, errors = [], []
    for recipe in dict.fromkeys(request.recipes):
        listed = catalogue.find(recipe)
        if listed is None:
            names = [entry.recipe for entry in catalogue.entries]
            hint = suggest(recipe, names, noun="images there")
            errors.append(UsageError(f"{request.namespace} has no image {quote(recipe)}", hint=hint))
        else:
            found.append(listed)
    raise_all(errors)
    chosen = choose_one_each([_Rival(one.recipe, one.target) for one in found], {}, file=file.shown)
    for one in chosen:
        listed = catalogue.find(one.recipe)
        assert listed is not None
        yield _Choice(triple=one.triple, listed=listed, now=named.get(one.triple, ""))


@dataclass(frozen=True, slots=True)
class _Rival:
    recipe: str
    triple: str


def _choose_named(request: FromRequest, catalogue: Catalogue, file: UserFile) -> Iterator[_Choice]:
    """What the file names already, in whatever way."""
    errors: list[ImagefabError] = []
    for triple, now in list_references(file.cross).items():
        if not _is_from(now, request, catalogue):
            continue
        listed = catalogue.find(name_of(now))
        if listed is None:
            names = [entry.recipe for entry in catalogue.entries if entry.target == triple]
            errors.append(
                ConfigError(
                    f"{request.namespace} has no image {quote(name_of(now))} any more",
                    position=locate(file, (*file.section, "target", triple, "image")),
                    hint=f"for {triple} it has {', '.join(names) or 'none'}",
                )
            )
        else:
            yield _Choice(triple=triple, listed=listed, now=now)
    raise_all(errors)


def _choose_targets(
    workspace: Workspace, request: FromRequest, catalogue: Catalogue, file: UserFile
) -> Iterator[_Choice]:
    """An image for each target that the file has: the one it names already, or else the catalogue's default."""
    named = list_references(file.cross)
    for triple in list_targets(file.cross):
        now = named.get(triple, "")
        listed = catalogue.find(name_of(now)) if _is_from(now, request, catalogue) else None
        listed = listed or catalogue.choose_default(triple)
        if _has_dockerfile(file.cross, triple):
            workspace.progress.warn(f"{triple} is left as it is: {file.shown} builds its image from a Dockerfile")
        elif listed is None:
            workspace.progress.warn(f"{triple} is left as it is: {request.namespace} has no image for it")
        else:
            yield _Choice(triple=triple, listed=listed, now=now)


def _is_from(reference: str, request: FromRequest, catalogue: Catalogue) -> bool:
    """Whether an image is the namespace's, under the name that it has there or had where it was published."""
    name = reference.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    listed = catalogue.find(name_of(reference))
    return name == f"{request.namespace}/{name_of(reference)}" or (listed is not None and name == listed.name)


def _has_dockerfile(data: dict[str, Any], triple: str) -> bool:
    return any(find_value(data, (*place, "dockerfile")) is not None for place in (("build",), ("target", triple)))


# -- what is written ---------------------------------------------------------------------------------------------------


def _make_entry(choice: _Choice, request: FromRequest) -> Entry:
    listed = choice.listed
    keeps_tag = BY_DIGEST.match(choice.now) is not None and ":" in choice.now.partition("@")[0].rpartition("/")[2]
    tag = f":{listed.current.tag}" if listed.current.tag and (request.with_tag or keeps_tag) else ""
    return Entry(
        recipe=listed.recipe,
        triple=choice.triple,
        pin=Pin(
            reference=f"{request.namespace}/{listed.recipe}{tag}@{listed.digest}",
            digest=listed.digest,
            platforms=listed.host_platforms,
        ),
    )


def _compare_floors(choice: _Choice) -> str | None:
    """What to say if programs may need another version of the C library than with the image before."""
    listed, digest = choice.listed, find_digest(choice.now)
    before = next((image for image in listed.images if image.digest == digest), None)
    if before is None or before.libc_floor == listed.current.libc_floor or not before.libc_floor:
        return None
    now = f"{listed.libc or 'libc'} {listed.current.libc_floor or 'of an unknown version'}"
    return f"{choice.triple}: programs may need {now} from now on, and needed {before.libc_floor} at most before"
