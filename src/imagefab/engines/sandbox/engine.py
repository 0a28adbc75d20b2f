"""The sandbox engine: starts a worker in namespaces, sends it a job, and follows its events."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from imagefab.digest import Digest
from imagefab.engines.engine import BuildTask, Finding
from imagefab.engines.inspect import inspect_sandbox, read_switches, require_emulation
from imagefab.engines.known import is_known_to_work, remember
from imagefab.engines.sandbox.bubblewrap import find_isolator, require_isolator
from imagefab.engines.sandbox.job import BuildJob, LayerJob, LowerLayer
from imagefab.engines.sandbox.launch import start_worker
from imagefab.engines.sandbox.memory import MEMORY_WANTED, claim_memory
from imagefab.engines.sandbox.run import MemoryFullError, NoPlaceError, run_probe
from imagefab.engines.sandbox.trees import Loan, lend_trees
from imagefab.engines.split import list_groups
from imagefab.errors import EngineError
from imagefab.limits import describe_excess
from imagefab.oci.layer import LayerFile, Packed
from imagefab.plan.context import write_context
from imagefab.plan.model import (
    AddRootfs,
    BlobContent,
    Plan,
    PlanLayer,
    RootfsContent,
    Run,
)
from imagefab.store.store import Store
from imagefab.toolchains.blueprint import IMAGE_PATH

_MEMORY_WANTED = MEMORY_WANTED


class SandboxEngine:
    name = "sandbox"
    starts_anew = False

    def inspect(self, store: Store) -> Sequence[Finding]:
        findings = inspect_sandbox(run_probe)
        if all(finding.ok for finding in findings):
            remember(store, self.name, _list_dependencies())
        return findings

    def is_known_to_work(self, store: Store) -> bool:
        return is_known_to_work(store, self.name, _list_dependencies())

    def build(self, request: BuildTask) -> None:
        require_emulation(request.plan.platform)
        with lend_trees(request.store, list(chain.from_iterable(request.have)), request.folder) as loan:
            _build(request, loan)


def _list_dependencies() -> list[object]:
    """Return bubblewrap, the namespaces that this process is in, and the kernel's settings about namespaces."""
    isolator = find_isolator()
    program = None if isolator is None else [isolator.program, os.stat(isolator.program).st_mtime_ns]
    namespaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "net")]
    return [program, namespaces, read_switches()]


def _build(request: BuildTask, loan: Loan) -> None:
    built: list[list[LowerLayer]] = []
    try:
        with claim_memory(_MEMORY_WANTED) as memory:
            _build_layers(request, loan, built, memory, prefer_disk=memory < _MEMORY_WANTED)
    except MemoryFullError as full:
        _warn(request, full, "going on on disk")
    else:
        return
    try:
        _build_layers(request, loan, built, 0, prefer_disk=True)
    except NoPlaceError as nowhere:
        _warn(request, nowhere, "going on in memory alone, when no other build needs any")
        with claim_memory(_MEMORY_WANTED, alone=True) as memory:
            _build_layers(request, loan, built, memory, prefer_disk=False)


def _warn(request: BuildTask, error: EngineError, what: str) -> None:
    request.progress.warn(f"{request.plan.recipe}: {error.problem}; {what}")


def _build_layers(
    request: BuildTask, loan: Loan, built: list[list[LowerLayer]], memory: int, *, prefer_disk: bool
) -> None:
    """Build the remaining layers, appending each to `built` as it is finished."""
    plan = request.plan
    first = len(request.have) + len(built)
    folder = Path(tempfile.mkdtemp(dir=request.folder))
    job = BuildJob(
        folder=str(folder),
        memory=memory,
        prefer_disk=prefer_disk,
        jobs=os.cpu_count() or 1,
        limits=request.limits,
        isolator=require_isolator(),
        epoch=plan.epoch,
        env={"PATH": IMAGE_PATH, "HOME": "/root", **plan.step_environment},
        lowers=[*loan.lowers(), *chain.from_iterable(built)],
        store=str(request.store.root),
        layers=_make_layer_jobs(request, plan.layers[first:], folder / "context"),
    )
    task = None
    with start_worker(folder) as worker:
        worker.send(job)
        for event in worker.events():
            match event["event"]:
                case "unpacked":
                    loan.made.add(event["layer"])
                case "layer-begin":
                    if task is not None:
                        task.finish()
                    task = request.progress.start(f"{plan.recipe}: {plan.layers[first + event['layer']].name}")
                case "layer":
                    files = [_decode_file(one) for one in event["files"]]
                    request.done(first + event["layer"], files)
                    built.append([_make_lower(request.store, file) for file in files])
                case "step-failed":
                    raise _explain_step(request, event)
                case "memory-full":
                    raise MemoryFullError(event["size"])
                case "no-place":
                    raise NoPlaceError(event["problem"])
        if task is not None:
            task.finish()


# -- the job ----------------------------------------------------------------------------------------------------------


def _make_layer_jobs(request: BuildTask, layers: Sequence[PlanLayer], context: Path) -> list[LayerJob]:
    plan, store = request.plan, request.store
    for layer in layers:
        (context / _home(plan, layer)).mkdir(parents=True)
        small = [i for i in layer.inputs if not (_is_package(i.path) or isinstance(i.content, RootfsContent))]
        write_context(context, small, epoch=plan.epoch, store=store, materialise=request.materialise, link=True)
    return [_make_layer_job(store, plan, layer, context) for layer in layers]


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
        filters=[
            option
            for given in layer.inputs
            if isinstance(given.content, RootfsContent)
            for option in given.content.filters
        ],
        groups=[[name, list(packages)] for name, packages in list_groups(layer)],
        steps=[step.shell for step in layer.steps if isinstance(step, Run)],
    )


def _home(plan: Plan, layer: PlanLayer) -> str:
    return f"{plan.platform.debian_arch}/{layer.name}"


def _is_package(path: str) -> bool:
    return path.split("/")[2] == "debs"


def _make_lower(store: Store, file: LayerFile) -> LowerLayer:
    return LowerLayer(
        path=str(store.blob_path(file.packed.digest)),
        members=list(file.packed.members),
        listing=str(store.blob_path(Digest.of_bytes(file.listing))),
    )


def _decode_file(event: dict[str, Any]) -> LayerFile:
    return LayerFile(
        name=event["name"],
        path=None if event["path"] is None else Path(event["path"]),
        content=Digest.parse(event["content"]),
        packed=Packed.from_record(event),
        listing=Path(event["listing"]).read_bytes(),
    )


def _explain_step(request: BuildTask, event: dict[str, Any]) -> EngineError:
    plan = request.plan
    log = "\n".join(f"  {line}" for line in event["log"].splitlines())
    where = f"{plan.recipe} ({plan.platform}): a step of layer `{event['layer']}`"
    if event["over"] is not None:
        over = describe_excess(request.limits, event["over"])
        return EngineError(
            f"{where} went over its limit of {over}\n  $ {event['step']}\n{log}".rstrip(),
            hint=f"`{event['over']}` under [limits] in imagefab.toml sets it",
        )
    return EngineError(
        f"{where} failed with exit code {event['code']}\n  $ {event['step']}\n{log}".rstrip(),
        hint="builds have no network: declare what a step needs as a source or a package"
        if "resolve" in event["log"] or "Network is unreachable" in event["log"]
        else None,
    )
