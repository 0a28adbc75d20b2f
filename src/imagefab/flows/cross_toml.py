"""Configure cross and cargo in a Rust project: pinned images for cross, linkers and runners for cargo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagefab.cross.cargo_config import Stanza, make_stanza, update_cargo_config
from imagefab.cross.choice import choose_one_each
from imagefab.cross.config import CROSS_FILE, check_precedence, guess_version, list_overrides, read_cross_files
from imagefab.cross.cross_toml import (
    Entry,
    Update,
    list_references,
    list_targets,
    list_used,
    update_cross_toml,
)
from imagefab.cross.file import UserFile, group_remarks, place_remarks, read_user_file, write_user_file
from imagefab.cross.pin import Pin
from imagefab.cross.profile import PROFILES, Profile
from imagefab.cross.remark import Remark
from imagefab.engines.choose import AUTO
from imagefab.errors import ConfigError, ImagefabError, StaleError, UsageError, raise_all
from imagefab.flows.pin import find_local_pin, find_pin, list_runners
from imagefab.flows.prepare import design_blueprints
from imagefab.flows.workspace import Workspace
from imagefab.recipe.model import Recipe
from imagefab.toml.edit import EditError, ValueDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRequest:
    recipes: tuple[str, ...] | None
    """None means what the files name; for a new file, all that have an image to pin."""
    file: Path | None = None
    """None means Cross.toml, and the tables for cross in Cargo.toml."""
    cross: str | None = None
    """The version of cross that reads the files; None means to guess it from them."""
    to: str | None = None
    """Registry and namespace, if not where images are published."""
    local: bool = False
    """Pin images that this machine's engine has."""
    engine: str = AUTO
    only_compare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    recipe: Recipe
    error: ImagefabError
    """Why it has no image to pin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One file, in its current state."""

    file: UserFile
    update: Update

    @property
    def remarks(self) -> list[ConfigError]:
        return [error for _, error in place_remarks(self.file, self.update.remarks)]

    @property
    def changed(self) -> list[str]:
        """Targets whose entry differed."""
        return [difference.path[len(self.file.section) + 1] for difference in self.update.differences]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    files: tuple[Written, ...]
    profile: Profile
    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    used: Mapping[str, str]
    """For each target, the last part of the image name that the files had."""

    @property
    def unknown(self) -> list[ImagefabError]:
        """Why images that the files name can't be compared with the right ones."""
        return [one.error for one in self.left_out if self.used.get(one.recipe.target.triple) == one.recipe.name]


def pin_images(workspace: Workspace, request: PinRequest, show: Callable[[ConfigError], None]) -> Pinned:
    """Write the images of recipes into a project's files. `show` is called with non-fatal problems in them."""
    if request.recipes is None and workspace.project.shipped:
        raise UsageError(
            "no project here, so no recipe has a published image",
            hint="`--from REGISTRY/NAMESPACE` pins what is published there; or name recipes that you built",
        )
    files = read_files(workspace, request.file)
    found, left_out = _find_entries(workspace, request)
    used = {triple: name for file in reversed(files) for triple, name in list_used(file.cross).items()}
    if request.recipes is None:
        found, left_out = _keep_targets(workspace, files, found, left_out)
    entries = choose_one_each(found, {} if request.recipes else used, file=files[0].shown)
    if left_out:
        names = ", ".join(one.recipe.name for one in left_out)
        workspace.progress.say(f"skipped, as there is no image to pin: {names}")
    if absent := [entry.recipe for entry in entries if not entry.pin.is_there]:
        workspace.progress.warn(f"not published yet, so cross can't pull them: {', '.join(absent)}")
    pinned = write_pins(
        workspace,
        files,
        entries,
        cross=request.cross,
        only_compare=request.only_compare,
        show=show,
        left_out=tuple(left_out),
    )
    if request.recipes is None and request.only_compare and not entries and not left_out:
        raise UsageError(
            f"{files[0].shown} has no image of this project, so there is nothing to compare",
            hint="name the recipes that it should have, like `imagefab cross-toml RECIPE --check`",
        )
    return pinned


def read_files(workspace: Workspace, path: Path | None) -> list[UserFile]:
    files = read_cross_files(path)
    if not files[0].exists and (files[0].path.parent / CROSS_FILE.lower()).exists():
        workspace.progress.warn(f"there is a {CROSS_FILE.lower()}, but cross reads {CROSS_FILE}")
    elsewhere = workspace.surroundings.environment.get("CROSS_CONFIG")
    if path is None and elsewhere:
        workspace.progress.warn(
            f"CROSS_CONFIG is set: cross reads {elsewhere}, and not {CROSS_FILE}; `--file` names it"
        )
    return files


def write_pins(
    workspace: Workspace,
    files: Sequence[UserFile],
    entries: tuple[Entry, ...],
    *,
    cross: str | None,
    only_compare: bool,
    show: Callable[[ConfigError], None],
    left_out: tuple[LeftOut, ...] = (),
) -> Pinned:
    """Write entries into files, and check all of them. Nothing is written if cross would refuse a result.

    The first file gets all entries, and others those for targets whose image they name.
    """
    profile = PROFILES[cross] if cross is not None else guess_version(list(files))
    used = {triple: name for file in reversed(files) for triple, name in list_used(file.cross).items()}
    updates = [
        _update(file, _choose_entries(file, entries, is_first=number == 0, files=files), profile, extra)
        for number, file in enumerate(files)
        for extra in [tuple(check_precedence(list(files), number, profile))]
    ]
    written, fatal = [], []
    is_refused = any(update.is_refused for update in updates)
    for file, update in zip(files, updates, strict=True):
        is_new = update.differences and not only_compare and not is_refused
        now = write_user_file(file, update.text) if is_new else file
        remarks = place_remarks(now, update.remarks)
        for _, error in group_remarks([pair for pair in remarks if not pair[0].fatal]):
            show(error)
        fatal += [error for remark, error in remarks if remark.fatal]
        written.append(Written(file=now, update=update))
    raise_all(fatal)
    for name in list_overrides(workspace.surroundings.environment, [entry.triple for entry in entries]):
        workspace.progress.warn(f"{name} is set, and wins over what files say")
    return Pinned(files=tuple(written), profile=profile, entries=entries, left_out=left_out, used=used)


def _choose_entries(
    file: UserFile, entries: tuple[Entry, ...], *, is_first: bool, files: Sequence[UserFile]
) -> tuple[Entry, ...]:
    """The entries that belong into a file: where the target's image is now, or else into the first."""
    named = list_references(file.cross)
    elsewhere = {triple for other in files if other is not file for triple in list_references(other.cross)}
    return tuple(entry for entry in entries if entry.triple in named or (is_first and entry.triple not in elsewhere))


def _update(file: UserFile, entries: tuple[Entry, ...], profile: Profile, extra: tuple[Remark, ...]) -> Update:
    custom = {path.stem for path in file.path.parent.glob("*.json")}
    try:
        update = update_cross_toml(file.text, entries, profile, custom=custom, section=file.section)
    except EditError:
        raise _explain_form(file) from None
    return replace(update, remarks=(*update.remarks, *extra))


def _keep_targets(
    workspace: Workspace, files: Sequence[UserFile], found: list[Entry], left_out: list[LeftOut]
) -> tuple[list[Entry], list[LeftOut]]:
    """Of all recipes, those for targets that the files have. Among several, one that a file names, or none.

    A new file gets all targets that have only one recipe.
    """
    used = {triple: name for file in reversed(files) for triple, name in list_used(file.cross).items()}
    has = {triple for file in files for triple in list_targets(file.cross)}
    kept: list[Entry] = []
    rivals: dict[str, list[Entry]] = {}
    for triple in dict.fromkeys(entry.triple for entry in found if entry.triple in has or not has):
        those = [entry for entry in found if entry.triple == triple]
        named = [entry for entry in those if entry.recipe == used.get(triple)]
        if len(those) > 1 and not named:
            rivals[triple] = those
        else:
            kept += named or those
    if rivals and not kept:
        choose_one_each(next(iter(rivals.values())), {}, file=files[0].shown)
    for triple, those in rivals.items():
        names = ", ".join(entry.recipe for entry in those)
        workspace.progress.warn(f"{triple} is left as it is: name one of its recipes, {names}")
    return kept, [one for one in left_out if not has or one.recipe.target.triple in has]


def _find_entries(workspace: Workspace, request: PinRequest) -> tuple[list[Entry], list[LeftOut]]:
    """Entries for the named recipes, or else for all with an image. Also returns why the others have none."""
    find = _choose_way(workspace, request)
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    for recipe in workspace.load_recipes(request.recipes):
        try:
            pin = find(recipe)
        except (StaleError, UsageError) as error:
            left_out.append(LeftOut(recipe=recipe, error=error))
            continue
        runners = list_runners(recipe, pin.platforms)
        entries.append(Entry(recipe=recipe.name, triple=recipe.target.triple, pin=pin, runners=runners))
    if request.recipes:
        raise_all([one.error for one in left_out])
    if not entries and left_out:
        first = left_out[0]
        raise type(first.error)(
            "no recipe has an image to pin",
            hint=f"name one to see why, like `imagefab cross-toml {first.recipe.name}`; `--local` pins loaded images",
        )
    return entries, left_out


def _choose_way(workspace: Workspace, request: PinRequest) -> Callable[[Recipe], Pin]:
    """Choose how to find pins: published images, or those that this machine's engine has."""
    project, store = workspace.project, workspace.store
    if request.local:
        from imagefab.engines.load import make_loaded_check

        engine = request.engine
        is_loaded = make_loaded_check(engine)
        return lambda recipe: find_local_pin(project, recipe, store, is_loaded, engine=engine)
    return lambda recipe: find_pin(project, recipe, store, workspace.progress, to=request.to)


# -- .cargo/config.toml ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoRequest:
    recipes: tuple[str, ...] | None
    file: Path
    only_compare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    file: UserFile
    stanzas: tuple[Stanza, ...]
    differences: tuple[ValueDifference, ...]


def configure_cargo(workspace: Workspace, request: CargoRequest) -> Configured:
    """Write linkers and runners into a .cargo/config.toml, for cargo inside an image without cross."""
    file = read_user_file(request.file)
    found = [
        make_stanza(recipe.name, recipe.target.triple, [dict(one.env) for one in design_blueprints(recipe)])
        for recipe in workspace.load_recipes(request.recipes)
    ]
    stanzas = choose_one_each(found, {}, file=file.shown)
    try:
        text, differences = update_cargo_config(file.text, stanzas)
    except EditError:
        raise _explain_form(file) from None
    if differences and not request.only_compare:
        file = write_user_file(file, text)
    return Configured(file=file, stanzas=stanzas, differences=tuple(differences))


def _explain_form(file: UserFile) -> ConfigError:
    return ConfigError(
        f"{file.shown} has a target that can't be edited without changing something else",
        hint="write that target as its own table: [target.TRIPLE]",
    )
