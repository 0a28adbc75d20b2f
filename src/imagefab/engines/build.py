"""Build an image: find the layers that the store has, let an engine build the rest, and assemble the image.

Builds that need the same layer wait for each other: every missing layer is locked, from the lowest up, so the second of
two builds with common layers finds them done. Each layer goes into the store as soon as it is finished, so a killed
build is resumed, not repeated.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imagefab import __version__
from imagefab.digest import Digest
from imagefab.engines.engine import BuildTask, Engine
from imagefab.errors import EngineError
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.limits import Limits
from imagefab.oci.image import Image, make_image
from imagefab.oci.layer import Layer, LayerFile, Origin, find_layer, record_layer
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


def find_layers(plan: Plan, store: Store, progress: Progress) -> tuple[Layer, ...]:
    """Return the plan's layers that the store has, from the lowest up to the first missing one."""
    found: list[Layer] = []
    for wanted in plan.layers:
        layer = find_layer(store, wanted.key, progress.warn)
        if layer is None:
            break
        found.append(layer)
    return tuple(found)


def assemble_image(plan: Plan, layers: tuple[Layer, ...]) -> Image:
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
        layers = list(have)
        fresh: set[Digest] = set()

        def take(number: int, file: LayerFile, path: Path) -> None:
            wanted = plan.layers[number]
            if number != len(layers):
                raise EngineError(f"the engine {engine.name} gave layer {number} where {len(layers)} was due")
            origin = Origin(engine=engine.name, version=__version__, plan=plan.key)
            layers.append(record_layer(store, wanted.key, wanted.name, file, path, origin=origin))
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
        if len(layers) != len(plan.layers):
            raise EngineError(f"the engine {engine.name} gave {len(layers)} of {len(plan.layers)} layers")
        return Built(plan=plan, image=assemble_image(plan, tuple(layers)), fresh=frozenset(fresh))


@contextlib.contextmanager
def _lock_missing(
    plan: Plan, store: Store, progress: Progress, *, no_cache: bool
) -> Iterator[tuple[tuple[Layer, ...], Callable[[Digest], None]]]:
    """Lock all missing layers. Each lock can be released by its key as soon as the layer is there."""
    held: dict[Digest, contextlib.ExitStack] = {}
    have: list[Layer] = []

    def find(key: Digest) -> Layer | None:
        return None if no_cache else find_layer(store, key, progress.warn)

    def release(key: Digest) -> None:
        held.pop(key).close()

    with contextlib.ExitStack() as all_locks:
        for wanted in plan.layers:
            if not held and (layer := find(wanted.key)) is not None:
                have.append(layer)
                continue
            held[wanted.key] = contextlib.ExitStack()
            held[wanted.key].enter_context(
                store.lock(
                    f"layer-{wanted.key.hex}",
                    waiting=partial(progress.say, f"{plan.recipe}: waits for another build, of layer {wanted.name}"),
                )
            )
            all_locks.push(held[wanted.key])
            if len(held) == 1 and (layer := find(wanted.key)) is not None:
                # Another build finished it while we waited.
                release(wanted.key)
                have.append(layer)
        yield tuple(have), release


@contextlib.contextmanager
def _job_folder(store: Store) -> Iterator[Path]:
    with explain_disk_errors(store.root, STORE):
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=store.scratch_folder()))
    try:
        yield folder
    finally:
        store.remove_folder(folder)
