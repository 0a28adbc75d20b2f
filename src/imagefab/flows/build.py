"""Build images from recipes, and deliver them from the store to where they are wanted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab import __version__
from imagefab.digest import Digest
from imagefab.engines.build import Built, build_image, find_image
from imagefab.engines.choose import AUTO, PREFERRED, choose_engine
from imagefab.engines.engine import Engine
from imagefab.engines.inspect import require_emulation
from imagefab.errors import EngineError, ImagefabError, MismatchError, UsageError
from imagefab.files.plain import MOST_GENERATED, BadFileError, read_bytes
from imagefab.flows.inputs import Wanted, list_wanted, missing_inputs
from imagefab.flows.prepare import Prepared, choose_platforms, dockerfile_path, render_recipe
from imagefab.flows.workspace import Workspace
from imagefab.limits import Limits
from imagefab.lock.model import Lock
from imagefab.oci.image import Image, ImageSet
from imagefab.oci.layer import RECORDS as LAYERS
from imagefab.oci.layer import Layer
from imagefab.plan.derive import Deriver
from imagefab.plan.model import Plan, count_free_layers
from imagefab.progress import Progress
from imagefab.store.store import Store

if TYPE_CHECKING:
    from imagefab.records.recorded import Recorded
    from imagefab.registry.share import LayerShare


RENDERED = "rendered"
"""Records of Dockerfiles that are what is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    name: str = AUTO
    builder: str | None = None
    """A buildx builder to use instead."""

    def __post_init__(self) -> None:
        if self.builder is not None and self.name not in (AUTO, "docker"):
            raise UsageError(f"--builder and --engine {self.name} can't be used together", hint="builders are buildx's")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    recipes: tuple[str, ...] | None
    """None means all."""
    platforms: tuple[str, ...] = ()
    engine: EngineChoice = field(default_factory=EngineChoice)
    no_cache: bool = False
    jobs: int = 1
    load: bool = False
    output: Path | None = None
    """The OCI layout folder to write."""
    push_layers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of building one recipe."""

    prepared: Prepared
    images: ImageSet
    fresh: frozenset[Digest]
    """Keys of the layers built by this run."""
    engine: str | None
    """None if nothing had to be built."""
    seconds: float


# -- the flow ----------------------------------------------------------------------------------------------------------


def build(workspace: Workspace, request: BuildRequest, done: Callable[[Outcome], None]) -> list[ImagefabError]:
    """Build images and deliver each one. Calls `done` with each outcome, and returns the errors."""
    if request.output is not None:
        from imagefab.oci.layout import check_is_free, write_layout

        check_is_free(request.output)
    prepared = workspace.prepare(request.recipes)
    _warn_of_stale_dockerfiles(workspace, prepared)
    workshop = make_workshop(workspace, request.engine, no_cache=request.no_cache)
    share = _open_share_to_give(workspace) if request.push_layers else None
    local = None
    if request.load:
        from imagefab.engines.load import find_local_engine, load_images

        local = find_local_engine(request.engine.name)
    outcomes: list[Outcome] = []

    def finish(outcome: Outcome) -> None:
        outcomes.append(outcome)
        done(outcome)
        if local is not None:
            for name, program in load_images(outcome.images, local, workspace.store, workspace.progress):
                workspace.progress.say(f"{program} has {name}")
        if share is not None:
            _give_layers(workspace, share, outcome)

    errors = build_all(
        prepared,
        lambda one: choose_platforms(one.recipe, request.platforms),
        workshop,
        jobs=request.jobs,
        done=finish,
    )
    if request.output is not None and outcomes:
        write_layout([outcome.images for outcome in outcomes], request.output, workspace.store)
    return errors


def _warn_of_stale_dockerfiles(workspace: Workspace, prepared: Sequence[Prepared]) -> None:
    """Warn if a Dockerfile that people reviewed is not what is built."""
    for one in prepared:
        path = dockerfile_path(workspace.project, one.recipe.name)
        if path.exists() and not _is_rendered(path, one, workspace.store):
            shown = workspace.project.show(path)
            workspace.progress.warn(f"{shown} is not what is built; run `imagefab render {one.recipe.name}`")


def _is_rendered(path: Path, prepared: Prepared, store: Store) -> bool:
    """Whether the file is what would be rendered. If so, that is remembered: nothing else takes as long here."""
    try:
        data = read_bytes(path, MOST_GENERATED)
    except BadFileError:
        return False
    keys = [plan.key.hex for plan in prepared.plans]
    key = Digest.of_json([__version__, keys, Digest.of_bytes(data).hex])
    if store.is_there and store.read_record(RENDERED, key) is True:
        return True
    if data != render_recipe(prepared).encode():
        return False
    if store.is_there:
        store.write_record(RENDERED, key, True)
    return True


def _open_share_to_give(workspace: Workspace) -> LayerShare:
    share = workspace.open_share()
    if share is None:
        raise UsageError(
            "no repository for layers given",
            hint="set `[publish] layers` in imagefab.toml; it is not used with --offline",
        )
    return share


def _give_layers(workspace: Workspace, share: LayerShare, outcome: Outcome) -> None:
    """Push the layers that may be shared: anyone who can pull from there gets their contents."""
    recipe = outcome.prepared.recipe.name
    plans = {plan.platform.name: plan for plan in outcome.prepared.plans}
    private = workspace.project.settings.publish_private
    give: list[tuple[Layer, ...]] = []
    keep = 0
    for image in outcome.images.images:
        steps = [tuple(layers) for _, layers in groupby(image.layers, key=lambda layer: layer.key)]
        count = len(steps) if private else count_free_layers(plans[image.platform.name])
        give += steps[:count]
        keep += len(steps) - count
    if count := share.give(give):
        workspace.progress.say(f"{recipe}: {count} layers pushed to {share.name}")
    if keep:
        workspace.progress.say(
            f"{recipe}: {keep} layers are not shared, as they have licensed files;"
            f" if {share.name} is private, set `[publish] private = true` in imagefab.toml"
        )


# -- one recipe --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What a build needs from outside. `engine` is only called when something has to be built."""

    store: Store
    progress: Progress
    engine: Callable[[], Engine]
    fetch: Callable[[Wanted], None]
    limits: Limits = field(default_factory=Limits)
    """For each step."""
    no_cache: bool = False
    now: datetime | None = None
    """If set, builds fail when this is before the lock's epoch."""
    builds_here: bool = True
    """Whether builds run on this machine, which then needs the right processor or an emulator for it."""
    bring_layers: Callable[[Plan], frozenset[Digest]] | None = None
    """Pulls a plan's shared layers into the store, and returns their keys."""
    recorded: Callable[[], Recorded] | None = None
    """Reads the records that images made with shared layers must match."""


def make_workshop(
    workspace: Workspace, engine: EngineChoice, *, no_cache: bool = False, store: Store | None = None
) -> Workshop:
    """Make a workshop. With a `store` other than the workspace's own, no shared layers are pulled."""
    share = None if no_cache or store is not None else workspace.open_share()
    store = workspace.use_store() if store is None else store
    return Workshop(
        limits=workspace.project.settings.limits,
        store=store,
        bring_layers=None if share is None else share.fetch,
        recorded=lambda: workspace.recorded,
        progress=workspace.progress,
        engine=_choose_once(engine, store, workspace.progress),
        fetch=workspace.fetch,
        no_cache=no_cache,
        now=workspace.now,
        builds_here=engine.builder is None,
    )


def _choose_once(choice: EngineChoice, store: Store, progress: Progress) -> Callable[[], Engine]:
    """Choose the engine on first use, and only once, even if that fails."""
    chosen: list[Engine] = []
    failed: list[ImagefabError] = []
    guard = threading.Lock()

    def choose() -> Engine:
        with guard:
            if not chosen and not failed:
                try:
                    chosen.append(choose_engine(choice.name, store, builder=choice.builder))
                    if choice.name == AUTO and choice.builder is None and chosen[0].name != PREFERRED:
                        # Other engines isolate steps differently, and set no limits.
                        progress.warn(
                            f"the {PREFERRED} does not work here, so {chosen[0].name} builds; see `imagefab doctor`"
                        )
                except ImagefabError as error:
                    failed.append(error)
            if failed:
                raise failed[0]
            return chosen[0]

    return choose


def build_recipe(prepared: Prepared, platforms: Sequence[str], workshop: Workshop) -> Outcome:
    """Build images for some host platforms. If the store has all of them, nothing runs and no engine is chosen."""
    began = time.monotonic()
    plans = prepared.choose_plans(platforms)
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
    """Find the image in the store, pulling shared layers if needed. Also returns the keys of pulled layers."""
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
    """Raise MismatchError if shared layers led to an image other than the one on record for the plan.

    These layers and those built on them are dropped from the store, so the next run builds them, or pulls better ones.
    """
    if workshop.recorded is None or not workshop.recorded().has_other(plan.key, image.digest):
        return
    for key in keys:
        workshop.store.drop_record(LAYERS, key)
    raise MismatchError(
        f"{plan.recipe} for {plan.platform} came to {image.digest} with layers of other machines, but another image is"
        " on record for the same inputs",
        hint="do not trust `[publish] layers`; `imagefab build --no-cache` uses nothing from there",
    )


def _check_clock(lock: Lock, now: datetime) -> None:
    """Layers clamp times to the epoch, but keep earlier ones, such as those of files from packages."""
    if now.timestamp() < lock.epoch:
        epoch = datetime.fromtimestamp(lock.epoch, UTC)
        raise EngineError(
            f"this machine's clock says {now:%Y-%m-%d %H:%M}, but the lock of {lock.recipe} is of"
            f" {epoch:%Y-%m-%d %H:%M}, so files would get wrong times",
            hint="set this machine's clock",
        )


def build_all(
    prepared: Sequence[Prepared],
    platforms: Callable[[Prepared], Sequence[str]],
    workshop: Workshop,
    *,
    jobs: int,
    done: Callable[[Outcome], None],
) -> list[ImagefabError]:
    """Build several recipes at a time, and return the errors. A failed recipe doesn't stop the others."""
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
        # After an interrupt, builds may still be running. Don't wait for them: they end with the process.
        pool.shutdown(wait=False, cancel_futures=True)
    return errors
