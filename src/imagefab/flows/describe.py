"""Describe recipes for people: one line each, or everything about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imagefab.cross.advice import advise_on_image
from imagefab.engines.build import assemble_image, find_image, find_layers
from imagefab.errors import ImagefabError, StaleError
from imagefab.flows.prepare import Prepared, choose_platforms, lock_path, prepare_recipe
from imagefab.flows.workspace import Workspace
from imagefab.lock.libc import find_claim, find_libc
from imagefab.lock.model import PlatformLock
from imagefab.oci.image import Image
from imagefab.oci.layer import Layer
from imagefab.plan.model import Plan
from imagefab.platforms import AMD64, HOST_PLATFORMS
from imagefab.progress import Progress, SilentProgress
from imagefab.recipe.model import Recipe
from imagefab.records.checked import Checked, find_checked
from imagefab.store.store import Store
from imagefab.toolchains.runners.table import make_runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Libc:
    name: str | None
    floor: str | None
    """The oldest version that programs run with."""

    def __str__(self) -> str:
        return f"{self.name or '-'} {self.floor or ''}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One line in a list of recipes."""

    recipe: Recipe
    runner: str
    libc: Libc
    lock: str
    """`locked`, `stale` or `none`."""
    checked: Checked | None
    """The check result for the image that the lock makes; None if it was not checked."""
    digest: str | None = None
    """Set if the image is built, as is `size`."""
    size: int | None = None


def summarise(workspace: Workspace, recipe: Recipe, *, anywhere: bool) -> Summary:
    """Summarise a recipe. `anywhere` leaves out what depends on this machine: its platform and its builds."""
    asked = [AMD64.name] if anywhere and AMD64.name in recipe.platforms else []
    (platform,) = choose_platforms(recipe, asked, otherwise=recipe.platforms[:1] if anywhere else ())
    runner = make_runner(recipe, HOST_PLATFORMS[platform]).name
    try:
        prepared = prepare_recipe(workspace.project, recipe)
    except StaleError:
        state = "none" if not lock_path(workspace.project, recipe.name).exists() else "stale"
        name, floor = find_libc(None, recipe.target)
        return Summary(recipe=recipe, runner=runner, libc=Libc(name=name, floor=floor), lock=state, checked=None)
    (plan,) = prepared.choose_plans([platform])
    found = find_checked(workspace.project, recipe.name, SilentProgress()).get(platform)
    image = None if anywhere else find_image(plan, workspace.store, SilentProgress())
    return Summary(
        recipe=recipe,
        runner=runner,
        libc=find_image_libc(prepared),
        lock="locked",
        checked=found if found is not None and found.plan == plan.key else None,
        digest=None if image is None else _find_digest(prepared, workspace.store, SilentProgress()),
        size=None if image is None else image.size,
    )


def _find_digest(prepared: Prepared, store: Store, progress: Progress) -> str:
    """The digest of the images for all host platforms that are built."""
    from imagefab.flows.pin import find_built

    return str(find_built(prepared, store, progress).digest)


def find_image_libc(prepared: Prepared) -> Libc:
    """The C library that programs are linked against in a recipe's image."""
    name, floor = find_libc(prepared.lock, prepared.recipe.target)
    claim = find_claim(prepared.blueprints[0])
    return Libc(name=name, floor=claim if prepared.blueprints[0].has_own_libc or claim else floor)


# -- one recipe --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Everything about one recipe's image for a host platform."""

    prepared: Prepared
    plan: Plan
    pins: PlatformLock
    libc: Libc
    layers: tuple[tuple[Layer, ...], ...]
    """The layers that are built, from the lowest up."""
    image: Image | None
    digest: str | None
    """The digest of the images for all host platforms that are built."""
    checked: Checked | None
    cross_toml: Mapping[str, str] | None
    """What `cross-toml` writes, by version of cross."""
    advice: tuple[str, ...]
    """What helps those who build with it, a line each."""


def describe(workspace: Workspace, name: str, platforms: tuple[str, ...]) -> Description:
    (prepared,) = workspace.prepare([name])
    plan = prepared.choose_plans(platforms)[0]
    layers = find_layers(plan, workspace.store, workspace.progress)
    image = assemble_image(plan, layers) if len(layers) == len(plan.layers) else None
    platform, libc = plan.platform.name, find_image_libc(prepared)
    checked = find_checked(workspace.project, plan.recipe, workspace.progress).get(platform)
    floor = checked.facts.get("glibc-floor") if checked is not None else libc.floor
    runner = make_runner(prepared.recipe, plan.platform).name
    return Description(
        prepared=prepared,
        plan=plan,
        pins=next(pins for pins in prepared.lock.platforms if pins.platform == platform),
        libc=libc,
        layers=layers,
        image=image,
        digest=None if image is None else _find_digest(prepared, workspace.store, workspace.progress),
        checked=checked,
        cross_toml=_compose_entries(workspace, prepared.recipe),
        advice=tuple(advise_on_image(prepared.recipe.target, runner=runner, floor=floor)),
    )


def _compose_entries(workspace: Workspace, recipe: Recipe) -> dict[str, str] | None:
    """Entries for the published image, or else for a locally loaded one."""
    from imagefab.cross.cross_toml import Entry, compose_cross_toml
    from imagefab.cross.profile import PROFILES
    from imagefab.flows.pin import find_local_pin, find_pin

    try:
        pin = find_pin(workspace.project, recipe, workspace.store, SilentProgress())
    except ImagefabError:
        try:
            pin = find_local_pin(workspace.project, recipe, workspace.store, lambda name: True)
        except ImagefabError:
            return None
    entry = Entry(recipe=recipe.name, triple=recipe.target.triple, pin=pin)
    return {name: compose_cross_toml([entry], profile) for name, profile in PROFILES.items()}
