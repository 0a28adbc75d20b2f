"""From a recipe to an image, through all rooms in their order. This is the flow; the rooms do the work.

recipe ─▶ blueprints ─▶ lock ─▶ plans ─▶ (fetch) ─▶ engine ─▶ layers ─▶ images
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from imagefab.check.record import CHECKED_NAME, Checked, print_checked, read_checked
from imagefab.digest import Digest
from imagefab.engines.build import Built, build_image, find_image, find_layers
from imagefab.engines.engine import Engine
from imagefab.engines.inspect import require_emulation
from imagefab.errors import (
    EngineError,
    ImagefabError,
    MismatchError,
    OptionError,
    OwnFileError,
    PackageError,
    SeveralErrors,
    StaleError,
    UsageError,
)
from imagefab.limits import Limits
from imagefab.lock.file import LOCK_NAME, read_lock
from imagefab.lock.model import Lock, PackagePin
from imagefab.lock.staleness import is_stale, platform_pins
from imagefab.oci.collect import Kept
from imagefab.oci.disk import DiskError, write_atomic
from imagefab.oci.image import Image, ImageSet
from imagefab.oci.layer import RECORDS as LAYERS
from imagefab.oci.layer import find_layer
from imagefab.oci.store import Store
from imagefab.plainfile import BadFileError, NoFileError, read_text
from imagefab.plan.dockerfile import render_dockerfile
from imagefab.plan.make import make_plan
from imagefab.plan.model import DerivedContent, Input, Plan
from imagefab.platforms import HOST_PLATFORMS, machine_platform
from imagefab.progress import Progress
from imagefab.recipe.model import OwnFileSpec, Recipe
from imagefab.recipe.places import place_option, place_own_file, place_package
from imagefab.recipe.project import Project
from imagefab.recorded import Recorded
from imagefab.sources.derive import Deriver
from imagefab.sources.gather import WantedSource
from imagefab.sources.own import OwnFiles, has_changed
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import design_image

DOCKERFILE_NAME = "Dockerfile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recipe with a lock that fits it, and its plans."""

    recipe: Recipe
    lock: Lock
    blueprints: tuple[Blueprint, ...]
    plans: tuple[Plan, ...]
    """One a host platform, in the recipe's order."""

    @property
    def default_platform(self) -> str:
        """This machine's, where the recipe is for it."""
        own = machine_platform().name
        return own if own in self.recipe.platforms else self.recipe.platforms[0]

    def choose(self, platforms: Sequence[str]) -> tuple[Plan, ...]:
        """The plans of some platforms; UsageError when the recipe is not made for one."""
        known = {plan.platform.name: plan for plan in self.plans}
        for name in platforms:
            if name not in known:
                raise UsageError(
                    f"{self.recipe.name} is not made for {name}", hint=f"its host platforms are {', '.join(known)}"
                )
        return tuple(known[name] for name in platforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What building one recipe came to."""

    prepared: Prepared
    images: ImageSet
    fresh: frozenset[Digest]
    """Keys of the layers that were built now."""
    engine: str | None
    """None when nothing had to be built."""
    seconds: float


# -- recipe → plans ---------------------------------------------------------------------------------------------------


def design_blueprints(recipe: Recipe) -> tuple[Blueprint, ...]:
    return tuple(design_image(recipe, HOST_PLATFORMS[name]) for name in recipe.platforms)


def place_error(project: Project, recipe: Recipe, error: ImagefabError) -> ImagefabError:
    """The error with its line and column, where it is about something that a recipe says."""
    match error:
        case PackageError():
            return place_package(project, recipe, error)
        case OptionError():
            return place_option(project, recipe, error)
        case OwnFileError():
            return place_own_file(project, recipe, error)
        case SeveralErrors():
            return SeveralErrors(place_error(project, recipe, one) for one in error.errors)
        case _:
            return error


def check_own_files(prepared: Prepared, files: OwnFiles) -> None:
    """StaleError when a file of the user's is not the one that the lock has. Builds go on with the old, if they can."""
    for blueprint in prepared.blueprints:
        for source in (source for layer in blueprint.layers for source in layer.sources):
            pin = prepared.lock.find_source(source.name, blueprint.platform.name)
            if isinstance(source, OwnFileSpec) and pin is not None and has_changed(source, pin.sha256, files):
                name = prepared.recipe.name
                raise StaleError(
                    f"{source.path} is not the file that {name}'s lock has", hint=f"run `imagefab lock {name}`"
                )


def lock_path(project: Project, name: str) -> Path:
    return project.images_dir / name / LOCK_NAME


def dockerfile_path(project: Project, name: str) -> Path:
    return project.images_dir / name / DOCKERFILE_NAME


def prepare_recipe(project: Project, recipe: Recipe) -> Prepared:
    """StaleError when the lock is missing, damaged, or made from another recipe."""
    path = lock_path(project, recipe.name)
    shown = project.show(path)
    lock = read_lock(path, recipe=recipe.name, shown=shown)
    blueprints = design_blueprints(recipe)
    if is_stale(lock, blueprints):
        raise StaleError(
            f"{shown} is stale: {recipe.file}, or how imagefab makes images of its kind, changed since",
            hint=f"run `imagefab lock {recipe.name}`",
        )
    plans = tuple(make_plan(blueprint, lock) for blueprint in blueprints)
    return Prepared(recipe=recipe, lock=lock, blueprints=blueprints, plans=plans)


def render_recipe(prepared: Prepared) -> str:
    return render_dockerfile(prepared.plans)


# -- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What has to be in the store before layers can be built."""

    lock: Lock
    pins: tuple[PackagePin, ...]
    sources: tuple[WantedSource, ...]


def list_wanted(prepared: Prepared, inputs: Iterable[Input]) -> Wanted:
    digests = {digest for given in inputs for digest in given.digests()}
    pins = {pin.sha256: pin for plan in prepared.plans for pin in platform_pins(prepared.lock, plan.platform.name)}
    sources = {}
    for blueprint in prepared.blueprints:
        for source in (source for layer in blueprint.layers for source in layer.sources):
            if (pin := prepared.lock.find_source(source.name, blueprint.platform.name)) is not None:
                wanted = WantedSource(source=source, platform=blueprint.platform, digest=pin.sha256)
                sources[pin.sha256] = wanted
    return Wanted(
        lock=prepared.lock,
        pins=tuple(pins[digest] for digest in sorted(digests & pins.keys())),
        sources=tuple(sources[digest] for digest in sorted(digests & sources.keys())),
    )


def missing_inputs(plan: Plan, store: Store, progress: Progress, *, no_cache: bool = False) -> list[Input]:
    """The inputs of the layers that have to be built."""
    have = 0 if no_cache else len(find_layers(plan, store, progress))
    return [given for layer in plan.layers[have:] for given in layer.inputs]


# -- building ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What building needs from outside. `engine` is asked for only when something has to be built."""

    store: Store
    progress: Progress
    engine: Callable[[], Engine]
    fetch: Callable[[Wanted], None]
    limits: Limits = field(default_factory=Limits)
    """Of each step."""
    no_cache: bool = False
    now: datetime | None = None
    """For a look at the clock: it must not be before the lock."""
    builds_here: bool = True
    """Whether this machine runs what is built, and so has to have the processor, or an emulator of it."""
    bring_layers: Callable[[Plan], frozenset[Digest]] | None = None
    """Brings into the store what other machines built of a plan; the keys of those layers."""
    recorded: Callable[[], Recorded] = Recorded
    """Reads what images with such layers have to be."""


def build_recipe(prepared: Prepared, platforms: Sequence[str], workshop: Workshop) -> Outcome:
    """Images for some host platforms. With all of them in the store, nothing runs and no engine is asked."""
    began = time.monotonic()
    plans = prepared.choose(platforms)
    store, progress = workshop.store, workshop.progress
    found_or_brought = [_find_or_bring(plan, workshop) for plan in plans]
    images = [image for image, _ in found_or_brought]
    fresh: frozenset[Digest] = frozenset()
    engine: Engine | None = None
    if not all(images):
        missing = [plan for plan, image in zip(plans, images, strict=True) if image is None]
        if workshop.builds_here:
            for plan in missing:
                require_emulation(plan.platform)
        if workshop.now is not None:
            _check_clock(prepared.lock, workshop.now)
        engine = workshop.engine()
        anew = workshop.no_cache or engine.starts_anew
        todo = [given for plan in missing for given in missing_inputs(plan, store, progress, no_cache=anew)]
        workshop.fetch(list_wanted(prepared, todo))
    found = []
    for plan, (image, brought) in zip(plans, found_or_brought, strict=True):
        if image is None:
            assert engine is not None
            materialise = Deriver(store, plan.epoch).materialise
            built: Built = build_image(
                plan, engine, store, materialise, progress, limits=workshop.limits, no_cache=workshop.no_cache
            )
            image, fresh = built.image, fresh | built.fresh  # noqa: PLW2901
            if brought:
                _require_recorded(plan, image, brought | built.fresh, workshop)
        found.append(image)
    return Outcome(
        prepared=prepared,
        images=ImageSet(recipe=prepared.recipe.name, images=tuple(found)),
        fresh=fresh,
        engine=engine.name if engine is not None else None,
        seconds=time.monotonic() - began,
    )


def _find_or_bring(plan: Plan, workshop: Workshop) -> tuple[Image | None, frozenset[Digest]]:
    """The image, if the store has it, or has it once other machines gave layers; the keys of what they gave."""
    if workshop.no_cache:
        return None, frozenset()
    image = find_image(plan, workshop.store, workshop.progress)
    if image is not None or workshop.bring_layers is None:
        return image, frozenset()
    brought = workshop.bring_layers(plan)
    image = find_image(plan, workshop.store, workshop.progress)
    if image is not None and brought:
        _require_recorded(plan, image, brought, workshop)
    return image, brought


def _require_recorded(plan: Plan, image: Image, keys: frozenset[Digest], workshop: Workshop) -> None:
    """MismatchError when layers of other machines led to another image than the project recorded for the plan.

    They leave the store again, with what was built on them: the next run builds them, or takes better ones.
    """
    if not workshop.recorded().has_other(plan.key, image.digest):
        return
    for key in keys:
        workshop.store.drop_record(LAYERS, key)
    raise MismatchError(
        f"{plan.recipe} for {plan.platform} came to {image.digest} with layers of other machines, and another image is"
        " on record for the same inputs",
        hint="what `[publish] layers` names is not to be trusted; `imagefab build --no-cache` takes nothing from there",
    )


def _check_clock(lock: Lock, now: datetime) -> None:
    """A layer has the epoch for all times after it. Earlier ones it keeps: those of files out of packages."""
    if now.timestamp() < lock.epoch:
        epoch = datetime.fromtimestamp(lock.epoch, UTC)
        raise EngineError(
            f"this machine's clock says {now:%Y-%m-%d %H:%M}, but the lock of {lock.recipe} is of"
            f" {epoch:%Y-%m-%d %H:%M}: what a build makes now would not have the epoch as its time",
            hint="set the clock (UTC)",
        )


def build_all(
    prepared: Sequence[Prepared],
    platforms: Callable[[Prepared], Sequence[str]],
    workshop: Workshop,
    *,
    jobs: int,
    done: Callable[[Outcome], None],
) -> list[ImagefabError]:
    """Build several recipes at a time; one that fails does not end the others. Returns what went wrong."""
    errors: list[ImagefabError] = []
    wanted = [(one, platforms(one)) for one in prepared]
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        for future in [pool.submit(build_recipe, *each, workshop) for each in wanted]:
            try:
                done(future.result())
            except ImagefabError as error:
                errors.append(error)
    finally:
        # After an interrupt, builds may still run. Nobody wants to wait for them; they end with the process.
        pool.shutdown(wait=False, cancel_futures=True)
    return errors


# -- checking ---------------------------------------------------------------------------------------------------------


def checked_path(project: Project, name: str) -> Path:
    return project.images_dir / name / CHECKED_NAME


def find_checked(project: Project, name: str, progress: Progress) -> dict[str, Checked]:
    """What the last checks found, by host platform; nothing where there is no record."""
    path = checked_path(project, name)
    try:
        return read_checked(read_text(path))
    except NoFileError:
        return {}
    except BadFileError as error:
        progress.warn(f"{project.show(path)}: {error.problem}; `imagefab check {name}` writes it anew")
        return {}


def record_check(project: Project, plan: Plan, checked: Checked, progress: Progress) -> None:
    """Keep what a check found beside the lock. Outside of a project, and where nothing can be written, it is lost."""
    if project.shipped:
        return
    path = checked_path(project, plan.recipe)
    found = find_checked(project, plan.recipe, progress)
    if found.get(plan.platform.name) == checked:
        return
    try:
        text = print_checked(plan.recipe, found | {plan.platform.name: checked})
        write_atomic(path, text.encode(), within=project.root)
    except (DiskError, OSError) as error:
        progress.warn(f"what the check found is not kept: {error}")


# -- keeping ----------------------------------------------------------------------------------------------------------


def list_kept(prepared: Iterable[Prepared], store: Store) -> Kept:
    """What the locks of a project name, of all that a store can hold."""
    blobs: set[Digest] = set()
    records: set[Digest] = set()
    for one in prepared:
        blobs |= {source.sha256 for source in one.lock.sources}
        for plan in one.plans:
            blobs |= {pin.sha256 for pin in platform_pins(one.lock, plan.platform.name)}
            for planned in plan.layers:
                layer = find_layer(store, planned.key, lambda _: None)
                if layer is not None:
                    records.add(planned.key)
                    blobs |= {layer.digest, layer.listing}
            deriver = Deriver(store, plan.epoch)
            for given in (given for planned in plan.layers for given in planned.inputs):
                if isinstance(given.content, DerivedContent):
                    records.add(deriver.key(given.content))
                    if (derived := deriver.find(given.content)) is not None:
                        blobs.add(derived)
    return Kept(blobs=frozenset(blobs), records=frozenset(records))
