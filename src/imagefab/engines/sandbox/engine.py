"""The sandbox engine: starts a worker in namespaces, hands it a job, and follows its events."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from imagefab.digest import Digest
from imagefab.engines.engine import BuildRequest, Command, Finding, TimeLimitError
from imagefab.engines.inspect import inspect_sandbox, require_emulation
from imagefab.engines.sandbox.job import BuildJob, LayerJob, LowerLayer, RunJob
from imagefab.engines.sandbox.launch import Worker, start_worker
from imagefab.engines.sandbox.memory import claim_memory
from imagefab.errors import EngineError
from imagefab.oci.layer import Layer, LayerFile
from imagefab.oci.store import Store
from imagefab.plan.context import write_context
from imagefab.plan.model import (
    AddRootfs,
    BlobContent,
    Plan,
    PlanLayer,
    RootfsContent,
    Run,
)
from imagefab.toolchains.blueprint import IMAGE_PATH

_MEMORY_WANTED = 2 << 30
"""A build with a compiler in it has about 1.5 GB in its folders; with less memory than this, they are on disk."""
_TRIAL = 256 << 20


class SandboxEngine:
    name = "sandbox"
    starts_anew = False

    def inspect(self, store: Store) -> Sequence[Finding]:
        return inspect_sandbox(try_sandbox)

    def build(self, request: BuildRequest) -> None:
        require_emulation(request.plan.platform)
        built = list(_lower_layers(request.store, request.have))
        try:
            with claim_memory(_MEMORY_WANTED) as memory:
                _build_layers(request, built, memory, prefer_disk=memory < _MEMORY_WANTED)
        except _MemoryFullError as full:
            _tell(request, full, "going on on disk")
        else:
            return
        try:
            _build_layers(request, built, 0, prefer_disk=True)
        except _NoPlaceError as nowhere:
            _tell(request, nowhere, "going on in memory alone, when no other build needs any")
            with claim_memory(_MEMORY_WANTED, alone=True) as memory:
                _build_layers(request, built, memory, prefer_disk=False)


class _MemoryFullError(EngineError):
    def __init__(self, size: str) -> None:
        super().__init__(
            f"the {size} of memory for the build's folders are full",
            hint="a store whose disk can hold overlays serves instead: no overlay itself, no network disk",
        )


class _NoPlaceError(EngineError):
    pass


def _tell(request: BuildRequest, error: EngineError, what: str) -> None:
    request.progress.warn(f"{request.plan.recipe}: {error.problem}; {what}")


def _build_layers(request: BuildRequest, built: list[LowerLayer], memory: int, *, prefer_disk: bool) -> None:
    """Build what is not built yet. Whatever gets finished joins `built`."""
    plan = request.plan
    first = len(built)
    folder = Path(tempfile.mkdtemp(dir=request.folder))
    job = BuildJob(
        folder=str(folder),
        memory=memory,
        prefer_disk=prefer_disk,
        jobs=os.cpu_count() or 1,
        epoch=plan.epoch,
        env={"PATH": IMAGE_PATH, "HOME": "/root", **plan.step_environment},
        lowers=list(built),
        layers=_make_layer_jobs(request, plan.layers[first:], folder / "context"),
    )
    task = None
    with start_worker(folder) as worker:
        worker.send(job)
        for event in worker.events():
            match event["event"]:
                case "layer-begin":
                    if task is not None:
                        task.finish()
                    task = request.progress.start(f"{plan.recipe}: {plan.layers[first + event['layer']].name}")
                case "layer":
                    file = _decode_file(event)
                    request.done(first + event["layer"], file, Path(event["path"]))
                    built.append(_lower_layer(request.store, file, Digest.of_bytes(file.listing)))
                case "step-failed":
                    raise _explain_step(plan, event)
                case "memory-full":
                    raise _MemoryFullError(event["size"])
                case "no-place":
                    raise _NoPlaceError(event["problem"])
        if task is not None:
            task.finish()


# -- the job ----------------------------------------------------------------------------------------------------------


def _make_layer_jobs(request: BuildRequest, layers: Sequence[PlanLayer], context: Path) -> list[LayerJob]:
    plan, store = request.plan, request.store
    for layer in layers:
        (context / _home(plan, layer)).mkdir(parents=True)
        small = [i for i in layer.inputs if not (_is_package(i.path) or isinstance(i.content, RootfsContent))]
        write_context(context, small, epoch=plan.epoch, store=store, materialise=request.materialise, link=True)
    return [_make_layer_job(store, plan, layer, context) for layer in layers]


def _lower_layers(store: Store, layers: Sequence[Layer]) -> list[LowerLayer]:
    return [_lower_layer(store, layer, layer.listing) for layer in layers]


def _lower_layer(store: Store, layer: Layer | LayerFile, listing: Digest) -> LowerLayer:
    return LowerLayer(
        path=str(store.blob_path(layer.digest)),
        members=list(layer.members),
        listing=str(store.blob_path(listing)),
    )


def _make_layer_job(store: Store, plan: Plan, layer: PlanLayer, context: Path) -> LayerJob:
    return LayerJob(
        name=layer.name,
        inputs=str(context / _home(plan, layer)),
        packages=[
            [str(store.blob_path(given.content.sha256)), given.path.rpartition("/")[2]]
            for given in layer.inputs
            if _is_package(given.path) and isinstance(given.content, BlobContent)
        ],
        bootstrap=any(isinstance(step, AddRootfs) for step in layer.steps),
        steps=[step.shell for step in layer.steps if isinstance(step, Run)],
    )


def _home(plan: Plan, layer: PlanLayer) -> str:
    return f"{plan.platform.debian_arch}/{layer.name}"


def _is_package(path: str) -> bool:
    return path.split("/")[2] == "debs"


def _decode_file(event: dict[str, Any]) -> LayerFile:
    return LayerFile(
        digest=Digest.parse(event["digest"]),
        diff_id=Digest.parse(event["diff_id"]),
        size=event["size"],
        plain_size=event["plain_size"],
        members=tuple(event["members"]),
        listing=Path(event["listing"]).read_bytes(),
    )


def _explain_step(plan: Plan, event: dict[str, Any]) -> EngineError:
    log = "\n".join(f"  {line}" for line in event["log"].splitlines())
    return EngineError(
        f"{plan.recipe} ({plan.platform}): a step of layer `{event['layer']}` failed with exit code {event['code']}\n"
        f"  $ {event['step']}\n{log}".rstrip(),
        hint="builds have no network: what a step needs is declared as a source or a package"
        if "resolve" in event["log"] or "Network is unreachable" in event["log"]
        else None,
    )


# -- one command ------------------------------------------------------------------------------------------------------


def try_sandbox(folder: Path) -> None:
    """Everything that a step needs, once, on an empty tree."""
    inputs = folder / "inputs"
    inputs.mkdir()
    job = BuildJob(
        folder=str(folder),
        memory=_TRIAL,
        prefer_disk=False,
        jobs=1,
        epoch=0,
        env={},
        lowers=[],
        layers=[
            LayerJob(
                name="try",
                inputs=str(inputs),
                packages=[],
                bootstrap=False,
                steps=[None],
            )
        ],
    )
    with start_worker(folder) as worker:
        worker.send(job)
        for event in worker.events():
            if event["event"] in ("step-failed", "no-place"):
                raise EngineError(f"the sandbox can't be set up: {event.get('log', event.get('problem'))}")


def run_in_sandbox(layers: Sequence[Layer], store: Store, command: Command, *, output: IO[bytes] | None = None) -> int:
    """Run a command in an image; its exit code. It has the caller's standard streams, or no input and one output."""
    folder = Path(tempfile.mkdtemp(prefix="command-", dir=store.scratch_folder()))
    streams = _open_streams(output)
    try:
        with (
            claim_memory(_MEMORY_WANTED) as memory,
            start_worker(folder, streams) as worker,
            _ending(worker, command.limit),
        ):
            worker.send(_make_run_job(folder, layers, store, command, memory))
            for event in worker.events():
                match event["event"]:
                    case "exit":
                        return int(event["code"])
                    case "memory-full":
                        raise _MemoryFullError(event["size"])
                    case "no-place":
                        raise _NoPlaceError(event["problem"])
        raise EngineError("the sandbox's worker gave no exit code")
    finally:
        for stream in streams:
            os.close(stream)
        store.remove_folder(folder)


def _make_run_job(folder: Path, layers: Sequence[Layer], store: Store, command: Command, memory: int) -> RunJob:
    return RunJob(
        folder=str(folder),
        memory=memory,
        prefer_disk=memory < _MEMORY_WANTED,
        jobs=os.cpu_count() or 1,
        lowers=_lower_layers(store, layers),
        argv=list(command.argv),
        env=dict(command.env),
        cwd=command.cwd,
        user=_find_user(command),
        binds=[
            {"source": host, "target": inside, "read_only": read_only}
            for read_only, binds in ((False, command.binds), (True, command.read_only_binds))
            for host, inside in binds
        ],
        read_only=command.read_only,
        network=command.network,
    )


def _find_user(command: Command) -> list[int] | None:
    """In a namespace of an ordinary user's, the caller is root: that is whom files of root belong to outside."""
    is_caller = command.user == (os.getuid(), os.getgid())
    return None if command.user is None or is_caller else list(command.user)


def _open_streams(output: IO[bytes] | None) -> tuple[int, ...]:
    if output is None:
        return tuple(os.dup(number) for number in (0, 1, 2))
    return (os.open(os.devnull, os.O_RDONLY), os.dup(output.fileno()), os.dup(output.fileno()))


@contextlib.contextmanager
def _ending(worker: Worker, limit: float | None) -> Iterator[None]:
    """Kill the worker, and so all that it started, when the time is up."""
    late = threading.Event()
    if limit is None:
        yield
        return

    def end() -> None:
        late.set()
        worker.kill()

    timer = threading.Timer(limit, end)
    timer.start()
    try:
        yield
    except EngineError:
        if late.is_set():
            raise TimeLimitError(limit) from None
        raise
    finally:
        timer.cancel()
