"""Choose the engine: the requested one, or the fastest that works on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imagefab.engines.engine import Engine, Finding
from imagefab.errors import EngineError
from imagefab.store.store import Store

AUTO = "auto"


def _sandbox() -> Engine:
    from imagefab.engines.sandbox.engine import SandboxEngine

    return SandboxEngine()


def _docker() -> Engine:
    from imagefab.engines.docker import DockerEngine

    return DockerEngine()


def _podman() -> Engine:
    from imagefab.engines.podman import PodmanEngine

    return PodmanEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"sandbox": _sandbox, "docker": _docker, "podman": _podman}
"""Fastest first."""
PREFERRED = next(iter(ENGINES))


def _builder(name: str) -> Engine:
    from imagefab.engines.builder import find_builder

    return find_builder(name)


def choose_engine(name: str, store: Store, *, builder: str | None = None) -> Engine:
    """Return an engine that works here; EngineError says what is missing and how to fix it.

    `builder` names a buildx builder to use instead.
    """
    names = [f"builder {builder}"] if builder is not None else list(ENGINES) if name == AUTO else [name]
    problems: list[tuple[str, Finding]] = []
    for candidate in names:
        engine = ENGINES[candidate]() if builder is None else _builder(builder)
        if engine.is_known_to_work(store):
            return engine
        broken = [finding for finding in engine.inspect(store) if not finding.ok]
        if not broken:
            return engine
        problems += [(candidate, finding) for finding in broken]
    raise EngineError(
        f"no engine works here:\n{_list(problems)}"
        if len(names) > 1
        else f"{names[0]} does not work here:\n{_list(problems)}",
        hint="; ".join(dict.fromkeys(finding.fix for _, finding in problems if finding.fix))
        or "`imagefab doctor` says more",
    )


def _list(problems: Sequence[tuple[str, Finding]]) -> str:
    return "\n".join(f"  {engine}: {finding.what}: {finding.detail}" for engine, finding in problems)
