"""The engine protocol: an engine builds the layers of a plan that the store does not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imagefab.errors import EngineError
from imagefab.limits import Limits
from imagefab.oci.layer import Layer, LayerFile
from imagefab.plan.context import Materialise
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an engine needs, as `doctor` reports it."""

    what: str
    ok: bool
    detail: str
    fix: str = ""
    """The command that fixes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTask:
    """The layers of a plan to build: all above `have`."""

    plan: Plan
    have: tuple[tuple[Layer, ...], ...]
    """The image layers that the store has, of each."""
    store: Store
    folder: Path
    """Scratch space for this build alone."""
    materialise: Materialise
    progress: Progress
    done: Callable[[int, Sequence[LayerFile]], None]
    """Called with the number of a plan's layer and what it became, in order."""
    limits: Limits
    """For each step."""
    no_cache: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to run inside an image."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: tuple[int, int] | None = None
    binds: tuple[tuple[str, str], ...] = ()
    """Host folders and their paths in the image; writable."""
    read_only_binds: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    """The root file system is read-only; /tmp is writable."""
    network: bool = False
    limit: float | None = None
    """Seconds after which the command is ended, and TimeLimitError raised."""
    limits: Limits = field(default_factory=Limits)
    """Limits other than time."""


class TimeLimitError(EngineError):
    """A command did not end within its time limit."""

    def __init__(self, limit: float) -> None:
        super().__init__(f"the command did not end within {limit:.0f} seconds")


class Engine(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def starts_anew(self) -> bool:
        """Whether it gets all layers, even those in the store, because only it knows what it can build on."""

    def inspect(self, store: Store) -> Sequence[Finding]:
        """Check what it needs on this machine, including a trial; if all is ok, it can build for that store."""

    def is_known_to_work(self, store: Store) -> bool:
        """Whether it was inspected before, all was ok, and nothing it depends on has changed since."""

    def build(self, request: BuildTask) -> None: ...
