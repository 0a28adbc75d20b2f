"""The jobs that an engine sends to its worker: plain values, encoded as JSON lines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from imagefab.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerLayer:
    """A canonical layer in the store."""

    path: str
    members: list[int]
    listing: str
    tree: str | None = None
    """The folder where it is unpacked or should be; None if it is for this job alone."""
    is_ready: bool = False
    """Whether it is there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerJob:
    name: str
    inputs: str
    """The folder with the layer's files, scripts and sources."""
    packages: list[list[str]]
    """Path in the store, file name."""
    bootstrap: bool
    """Start with the packages' files unpacked, so that dpkg can run at all."""
    filters: list[str]
    """dpkg's options for what of the packages is left out, for the bootstrap."""
    groups: list[list[Any]]
    """The groups of its packages: names, each with its packages."""
    steps: list[str]
    """Shell commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolator:
    """The program that isolates steps, and the folder of the libraries that came with it."""

    program: str
    libraries: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    folder: str
    """Scratch space on disk."""
    memory: int
    """How much memory scratch space may use; 0 means none."""
    prefer_disk: bool
    jobs: int
    limits: Limits
    isolator: Isolator
    epoch: int
    store: str
    """Where the layers are that need not be written again."""
    env: dict[str, str]
    lowers: list[LowerLayer]
    layers: list[LayerJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJob:
    folder: str
    memory: int
    prefer_disk: bool
    jobs: int
    limits: Limits
    isolator: Isolator
    lowers: list[LowerLayer]
    argv: list[str]
    env: dict[str, str]
    cwd: str
    user: list[int] | None
    as_caller: bool
    """Root is the caller, so that files it makes in the caller's folders belong to the caller."""
    own_folders: bool
    """Files written in the binds must belong to the caller."""
    terminal: bool
    binds: list[dict[str, Any]]
    read_only: bool
    network: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveJob:
    """Remove a folder with files of any owner in the namespace."""

    path: str


Job = BuildJob | RunJob | RemoveJob


def encode_job(job: Job) -> str:
    return json.dumps({"job": type(job).__name__, **asdict(job)})


def decode_job(text: str) -> Job:
    value = json.loads(text)
    kind = value.pop("job")
    if kind == "RemoveJob":
        return RemoveJob(**value)
    value["limits"] = Limits(**value["limits"])
    value["isolator"] = Isolator(**value["isolator"])
    value["lowers"] = [LowerLayer(**lower) for lower in value["lowers"]]
    if kind == "RunJob":
        return RunJob(**value)
    value["layers"] = [LayerJob(**layer) for layer in value["layers"]]
    return BuildJob(**value)
