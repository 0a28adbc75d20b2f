"""Run one command in an image, in the sandbox."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from imagefab.engines.engine import Command, TimeLimitError
from imagefab.engines.isolation import make_probe
from imagefab.engines.sandbox.bubblewrap import require_isolator
from imagefab.engines.sandbox.job import LowerLayer, RunJob
from imagefab.engines.sandbox.launch import Worker, start_worker
from imagefab.engines.sandbox.memory import MEMORY_WANTED, claim_memory
from imagefab.engines.sandbox.streams import lend_streams
from imagefab.engines.sandbox.trees import Loan, lend_trees
from imagefab.errors import EngineError
from imagefab.oci.layer import Layer
from imagefab.platforms import machine_platform
from imagefab.store.store import Store

_TRIAL = 64 << 20


class MemoryFullError(EngineError):
    def __init__(self, size: str) -> None:
        super().__init__(
            f"the {size} of memory for the build's folders are full",
            hint="use a store on a local disk that is not an overlay: --store DIR",
        )


class NoPlaceError(EngineError):
    """No usable place can hold overlays."""


def run_in_sandbox(layers: Sequence[Layer], store: Store, command: Command, *, output: IO[bytes] | None = None) -> int:
    """Run a command and return its exit code. It has the caller's standard streams, or no input and one output."""
    folder = Path(tempfile.mkdtemp(prefix="command-", dir=store.scratch_folder()))
    try:
        with claim_memory(MEMORY_WANTED) as memory:
            as_caller = _is_caller(command) and os.geteuid() != 0
            with lend_trees(store, layers, folder, as_caller=as_caller) as loan:
                return _run(folder, loan, command, memory, output)
    finally:
        store.remove_folder(folder)


def _run(folder: Path, loan: Loan, command: Command, memory: int, output: IO[bytes] | None) -> int:
    with (
        lend_streams(output) as streams,
        start_worker(folder, streams.descriptors) as worker,
        _ending(worker, command.limit),
    ):
        worker.send(_make_run_job(folder, loan.lowers(), command, memory, terminal=streams.terminal))
        for event in worker.events():
            match event["event"]:
                case "unpacked":
                    loan.made.add(event["layer"])
                case "exit":
                    return int(event["code"])
                case "over-limit":
                    raise EngineError(
                        f"the command went over its limit of {event['what']}",
                        hint="[limits] in imagefab.toml sets it",
                    )
                case "memory-full":
                    raise MemoryFullError(event["size"])
                case "no-place":
                    raise NoPlaceError(event["problem"])
    raise EngineError("the sandbox's worker gave no exit code")


def run_probe(folder: Path) -> tuple[int, str]:
    """Set up everything that a step needs on an empty tree, and return the isolation probe's exit code and output."""
    program = folder / "probe"
    program.write_bytes(make_probe(machine_platform()))
    program.chmod(0o755)
    command = Command(argv=("/probe",), read_only_binds=((str(program), "/probe"),))
    with (folder / "said").open("w+b") as output:
        code = _run(folder, Loan(), command, _TRIAL, output)
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _make_run_job(folder: Path, lowers: list[LowerLayer], command: Command, memory: int, *, terminal: bool) -> RunJob:
    is_caller = _is_caller(command)
    return RunJob(
        folder=str(folder),
        memory=memory,
        prefer_disk=memory < MEMORY_WANTED,
        jobs=os.cpu_count() or 1,
        limits=replace(command.limits, time=None),
        isolator=require_isolator(),
        lowers=lowers,
        argv=list(command.argv),
        env=dict(command.env),
        cwd=command.cwd,
        # In an ordinary user's namespace, the caller is root: root's files belong to the caller outside.
        user=None if command.user is None or is_caller else list(command.user),
        as_caller=is_caller and os.geteuid() != 0,
        own_folders=is_caller,
        terminal=terminal,
        binds=[
            {"source": host, "target": inside, "read_only": read_only}
            for read_only, binds in ((False, command.binds), (True, command.read_only_binds))
            for host, inside in binds
        ],
        read_only=command.read_only,
        network=command.network,
    )


def _is_caller(command: Command) -> bool:
    return command.user == (os.getuid(), os.getgid())


@contextlib.contextmanager
def _ending(worker: Worker, limit: float | None) -> Iterator[None]:
    """Kill the worker, and so everything it started, when the time is up."""
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
