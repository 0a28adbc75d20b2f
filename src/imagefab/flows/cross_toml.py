"""Configure cross and cargo in a Rust project: pinned images for cross, linkers and runners for cargo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagefab.cross.cargo_config import Stanza, make_stanza, update_cargo_config
from imagefab.cross.choice import choose_one_each
from imagefab.cross.cross_toml import Entry, Update, list_used, update_cross_toml
from imagefab.cross.file import UserFile, place_remarks, read_user_file, write_user_file
from imagefab.cross.pin import Pin
from imagefab.cross.profile import PROFILES, Profile, guess_profile
from imagefab.engines.choose import AUTO
from imagefab.engines.load import make_loaded_check
from imagefab.errors import ConfigError, ImagefabError, StaleError, UsageError, raise_all
from imagefab.flows.pin import find_local_pin, find_pin, list_runners
from imagefab.flows.prepare import design_blueprints
from imagefab.flows.workspace import Workspace
from imagefab.recipe.model import Recipe
from imagefab.toml.edit import EditError, ValueDifference

CROSS_FILE = "Cross.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRequest:
    recipes: tuple[str, ...] | None
    """None means all that have an image to pin."""
    file: Path = Path(CROSS_FILE)
    cross: str | None = None
    """The version of cross that reads the file; None means to guess it from the file."""
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
class Pinned:
    file: UserFile
    """The file's current state."""
    profile: Profile
    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]
    update: Update
    used: Mapping[str, str]
    """For each target, the last part of the image name that the file had."""

    @property
    def remarks(self) -> list[ConfigError]:
        return [error for _, error in place_remarks(self.file, self.update.remarks)]

    @property
    def unknown(self) -> list[ImagefabError]:
        """Why images that the file names can't be compared with the right ones."""
        return [one.error for one in self.left_out if self.used.get(one.recipe.target.triple) == one.recipe.name]


def pin_images(workspace: Workspace, request: PinRequest, show: Callable[[ConfigError], None]) -> Pinned:
    """Write the images of recipes into a Cross.toml. `show` is called with non-fatal problems in it."""
    file = read_cross_file(workspace, request.file)
    found, left_out = _find_entries(workspace, request)
    entries = choose_one_each(found, {} if request.recipes else list_used(file.data), file=file.shown)
    if left_out:
        names = ", ".join(one.recipe.name for one in left_out)
        workspace.progress.say(f"skipped, as there is no image to pin: {names}")
    if absent := [entry.recipe for entry in entries if not entry.pin.is_there]:
        workspace.progress.warn(f"not published yet, so cross can't pull them: {', '.join(absent)}")
    return write_pins(
        file, entries, cross=request.cross, only_compare=request.only_compare, show=show, left_out=tuple(left_out)
    )


def read_cross_file(workspace: Workspace, path: Path) -> UserFile:
    file = read_user_file(path)
    if not file.exists and (file.path.parent / CROSS_FILE.lower()).exists():
        workspace.progress.warn(f"there is a {CROSS_FILE.lower()}, but cross reads {CROSS_FILE}")
    return file


def write_pins(
    file: UserFile,
    entries: tuple[Entry, ...],
    *,
    cross: str | None,
    only_compare: bool,
    show: Callable[[ConfigError], None],
    left_out: tuple[LeftOut, ...] = (),
) -> Pinned:
    """Write entries into a Cross.toml, and check all of it. Nothing is written if cross would refuse the result."""
    profile = PROFILES[cross] if cross is not None else guess_profile(file.data)
    used = list_used(file.data)
    custom = {path.stem for path in file.path.parent.glob("*.json")}
    try:
        update = update_cross_toml(file.text, entries, profile, custom=custom)
    except EditError:
        raise _explain_form(file) from None
    if update.differences and not update.is_refused and not only_compare:
        file = write_user_file(file, update.text)
    remarks = place_remarks(file, update.remarks)
    for remark, error in remarks:
        if not remark.fatal:
            show(error)
    if update.is_refused:
        raise_all([error for remark, error in remarks if remark.fatal])
    return Pinned(file=file, profile=profile, entries=entries, left_out=left_out, update=update, used=used)


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
