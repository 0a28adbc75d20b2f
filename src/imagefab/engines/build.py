"""Build an image: find the layers that the store has, let an engine build the rest, and assemble the image.

Builds that need the same layer wait for each other: every missing layer is locked, from the lowest up, so the second of
two builds with common layers finds them done. Each layer goes into the store as soon as it is finished, so a killed
build is resumed, not repeated.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from imagefab import __version__
from imagefab.digest import Digest
from imagefab.engines.engine import BuildTask, Engine
from imagefab.errors import EngineError
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.limits import Limits
from imagefab.oci.image import Image, make_image
from imagefab.oci.layer import Layer, LayerFile, Origin, find_step, record_step
from imagefab.plan.context import Materialise
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.store.store import Store

COMMAND = ("bash",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    plan: Plan
    image: Image
    fresh: frozenset[Digest]
    """The keys of the layers built in this run; all others were in the store."""


def find_image(plan: Plan, store: Store, progress: Progress) -> Image | None:
    """Return the plan's image if the store has every layer; no engine is involved."""
    layers = find_layers(plan, store, progress)
    return assemble_image(plan, layers) if len(layers) == len(plan.layers) else None


def find_layers(plan: Plan, store: Store, progress: Progress) -> tuple[tuple[Layer, ...], ...]:
    """Return what the store has of the plan's layers, from the lowest up to the first missing one, as image layers."""
    found: list[tuple[Layer, ...]] = []
    for wanted in plan.layers:
        layers = find_step(store, wanted.key, progress.warn)
        if layers is None:
            break
        found.append(layers)
    return tuple(found)


def assemble_image(plan: Plan, built: Sequence[tuple[Layer, ...]]) -> Image:
    layers = tuple(chain.from_iterable(built))
    return make_image(plan.platform, layers, epoch=plan.epoch, env=plan.env, labels=plan.labels, command=COMMAND)


def build_image(
    plan: Plan,
    engine: Engine,
    store: Store,
    materialise: Materialise,
    progress: Progress,
    *,
    limits: Limits | None = None,
    no_cache: bool = False,
) -> Built:
    with _lock_missing(plan, store, progress, no_cache=no_cache) as (have, release):
        built = list(have)
        fresh: set[Digest] = set()

        def take(number: int, files: Sequence[LayerFile]) -> None:
            wanted = plan.layers[number]
            if number != len(built):
                raise EngineError(f"the engine {engine.name} returned layer {number} instead of {len(built)}")
            origin = Origin(engine=engine.name, version=__version__, plan=plan.key)
            built.append(record_step(store, wanted.key, files, origin=origin))
            fresh.add(wanted.key)
            release(wanted.key)

        if len(have) < len(plan.layers):
            with _job_folder(store) as folder:
                engine.build(
                    BuildTask(
                        plan=plan,
                        have=have,
                        store=store,
                        folder=folder,
                        materialise=materialise,
                        progress=progress,
                        done=take,
                        limits=limits or Limits(),
                        no_cache=no_cache,
                    )
                )
        if len(built) != len(plan.layers):
            raise EngineError(f"the engine {engine.name} returned {len(built)} of {len(plan.layers)} layers")
        return Built(plan=plan, image=assemble_image(plan, built), fresh=frozenset(fresh))


@contextlib.contextmanager
def _lock_missing(
    plan: Plan, store: Store, progress: Progress, *, no_cache: bool
) -> Iterator[tuple[tuple[tuple[Layer, ...], ...], Callable[[Digest], None]]]:
    """Lock all missing layers. Each lock can be released by its key as soon as the layer is there."""
    held: dict[Digest, contextlib.ExitStack] = {}
    have: list[tuple[Layer, ...]] = []

    def find(key: Digest) -> tuple[Layer, ...] | None:
        return None if no_cache else find_step(store, key, progress.warn)

    def release(key: Digest) -> None:
        held.pop(key).close()

    with contextlib.ExitStack() as all_locks:
        for wanted in plan.layers:
            if not held and (layers := find(wanted.key)) is not None:
                have.append(layers)
                continue
            held[wanted.key] = contextlib.ExitStack()
            held[wanted.key].enter_context(
                store.lock(
                    f"layer-{wanted.key.hex}",
                    waiting=partial(progress.say, f"{plan.recipe}: waits for another build, of layer {wanted.name}"),
                )
            )
            all_locks.push(held[wanted.key])
            if len(held) == 1 and (layers := find(wanted.key)) is not None:
                # Another build finished it while we waited.
                release(wanted.key)
                have.append(layers)
        yield tuple(have), release


@contextlib.contextmanager
def _job_folder(store: Store) -> Iterator[Path]:
    with explain_disk_errors(store.root, STORE):
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=store.scratch_folder()))
    try:
        yield folder
    finally:
        store.remove_folder(folder)
