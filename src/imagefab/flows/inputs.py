"""Find what has to be in the store before layers can be built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imagefab.debian.pin import PackagePin
from imagefab.engines.build import find_layers
from imagefab.fetch.gather import WantedSource
from imagefab.flows.prepare import Prepared
from imagefab.lock.model import Lock
from imagefab.lock.staleness import platform_pins
from imagefab.plan.model import Input, Plan
from imagefab.progress import Progress
from imagefab.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What has to be in the store before layers can be built."""

    lock: Lock
    pins: tuple[PackagePin, ...]
    sources: tuple[WantedSource, ...]


def list_wanted(prepared: Prepared, inputs: Iterable[Input]) -> Wanted:
    digests = {digest for given in inputs for digest in given.digests()}
    pins = {pin.sha256: pin for one in prepared.blueprints for pin in platform_pins(prepared.lock, one.platform.name)}
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
