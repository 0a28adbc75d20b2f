"""What each engine has and lacks on this machine, and how it isolates commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagefab.cross.advice import advise_on_host
from imagefab.engines.choose import ENGINES
from imagefab.engines.engine import Finding
from imagefab.engines.inspect import inspect_emulation
from imagefab.engines.isolation import describe_isolation
from imagefab.engines.measure import measure_isolation
from imagefab.errors import ImagefabError
from imagefab.flows.workspace import Workspace
from imagefab.platforms import HOST_PLATFORMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    engines: Mapping[str, Sequence[Finding]]
    platforms: Sequence[Finding]
    isolation: Mapping[str, Mapping[str, str]]
    """For each engine that works, how it isolates commands."""
    advice: Sequence[str]
    """What this machine's environment brings into builds, a line each."""


def works(findings: Sequence[Finding]) -> bool:
    return all(finding.ok for finding in findings)


def inspect(workspace: Workspace) -> Inspection:
    engines = {name: make() for name, make in ENGINES.items()}
    found = {name: list(engine.inspect(workspace.store)) for name, engine in engines.items()}
    isolation = {}
    for name, engine in engines.items():
        if not works(found[name]):
            continue
        try:
            isolation[name] = describe_isolation(measure_isolation(engine, workspace.store))
        except ImagefabError as error:
            workspace.progress.warn(f"{name}: {error.problem}")
    advice = list(advise_on_host(workspace.surroundings.environment))
    platforms = [inspect_emulation(platform) for platform in HOST_PLATFORMS.values()]
    return Inspection(engines=found, platforms=platforms, isolation=isolation, advice=advice)
