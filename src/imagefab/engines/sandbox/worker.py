"""The sandbox's worker: a process with its own user namespace and mount namespace.

It lays out the layers below, has the steps run, and writes canonical layers. The cores are kept busy: packages are
decoded ahead while steps run, and a finished layer is scanned, compressed and hashed while the next one is built.
Scratch space is in memory if there is enough of it: most of a build is small files that are read again at once.

It speaks JSON lines: a job on standard input, events on standard output. Everything it mounts goes away with it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from imagefab.engines.sandbox import kernel
from imagefab.engines.sandbox.enter import enter_namespaces
from imagefab.engines.sandbox.files import lay_out_tree, open_origin, scan_upper, unpack_layer
from imagefab.engines.sandbox.job import BuildJob, Job, LayerJob, LowerLayer, RemoveJob, RunJob, decode_job
from imagefab.engines.sandbox.scratch import NoScratchError, Overlay, Scratch
from imagefab.engines.sandbox.spawner import IsolationError, Spawner, SpawnerSettings, StepEnd, start_spawner
from imagefab.engines.split import split_step
from imagefab.errors import ImagefabError
from imagefab.files.remove import remove_tree
from imagefab.limits import describe_excess
from imagefab.oci.layer import LayerFile, find_packed, read_tree, write_layers
from imagefab.oci.tree import Tree, apply_layer, find_difference
from imagefab.store.store import Store

HOSTNAME = "imagefab"
_LOG_LINES = 40
_LOG_BYTES = 1 << 16
_NO_SPACE = os.strerror(errno.ENOSPC).encode()


class StepError(Exception):
    """A step ended with a non-zero exit code, or exceeded a limit."""

    def __init__(self, layer: str, step: str, outcome: StepEnd, log: Log) -> None:
        super().__init__(f"{layer}: {step}: exit code {outcome.code}")
        self.layer, self.step, self.outcome, self.log = layer, step, outcome, log


class ScratchFullError(Exception):
    """Scratch space in memory is full. On disk there may be more."""


# -- building ---------------------------------------------------------------------------------------------------------


class Builder:
    def __init__(self, job: BuildJob, place: Place, pool: Executor, finisher: Executor) -> None:
        self.job = job
        self.place = place
        self.pool = pool
        self.finisher = finisher
        self.scratch = place.scratch
        self.overlay = Overlay(self.scratch)
        self.store = Store(Path(job.store))
        self.tree: Tree = {}
        self.decoded: list[list[Future[None]]] = []

    def build(self) -> None:
        """Run all layers' steps; each finished layer is written in the background, in order."""
        self.decoded = [self._decode_packages(number, layer) for number, layer in enumerate(self.job.layers)]
        try:
            with _noticing_full_scratch(self.scratch):
                self._build_layers()
        finally:
            for future in (future for layer in self.decoded for future in layer):
                future.cancel()

    def _build_layers(self) -> None:
        if self.job.lowers:
            lay_out_lowers(self.job.lowers, self.scratch, self.overlay, self.pool)
            self.tree = read_tree([Path(lower.listing).read_bytes() for lower in self.job.lowers])
        finished: list[Future[None]] = []
        for number, layer in enumerate(self.job.layers):
            upper = self._build_layer(number, layer)
            self.overlay.add_lower(upper)
            finished.append(self.finisher.submit(self._finish_layer, number, upper))
            for future in finished:
                if future.done():
                    future.result()
        for future in finished:
            future.result()

    def _decode_packages(self, number: int, layer: LayerJob) -> list[Future[None]]:
        from imagefab.debian.payload import decode_package

        folder = self.scratch.make(f"debs/{number}")
        return [self.pool.submit(decode_package, Path(path), folder / name) for path, name in layer.packages]

    def _build_layer(self, number: int, layer: LayerJob) -> Path:
        report(event="layer-begin", layer=number)
        for future in self.decoded[number]:
            future.result()
        debs = self.scratch.root / f"debs/{number}"
        upper = self.scratch.make(f"upper/{number}")
        if layer.bootstrap:
            from imagefab.plan.rootfs import read_rootfs

            lay_out_tree(
                read_rootfs((debs / name for _, name in layer.packages), self.job.epoch, layer.filters), str(upper)
            )
        inputs = self._copy_inputs(number, layer)
        for step in layer.steps:
            report(event="step", layer=number, text=step)
            self._run_step(layer, step, upper, inputs, debs)
        remove_tree(str(inputs))
        remove_tree(str(debs))
        return upper

    def _copy_inputs(self, number: int, layer: LayerJob) -> Path:
        """Copy a layer's inputs: to a step, the caller's files are owned by nobody, and its copies could be too."""
        inputs = self.scratch.root / "inputs" / str(number)
        shutil.copytree(layer.inputs, inputs, symlinks=True)
        if layer.packages:
            (inputs / "debs").mkdir(exist_ok=True)
        return inputs

    def _run_step(self, layer: LayerJob, step: str, upper: Path, inputs: Path, debs: Path) -> None:
        binds = [{"source": str(inputs), "target": "/run/imagefab", "read_only": True}]
        if layer.packages:
            binds.append({"source": str(debs), "target": "/run/imagefab/debs", "read_only": True})
        temporary = self.scratch.make_another("temporary")
        spec = {
            "overlay": self.overlay.options(upper),
            "binds": binds,
            "argv": ["/bin/sh", "-c", step],
            "env": self.job.env,
            "cwd": "/",
            "hostname": HOSTNAME,
            "network": False,
            "read_only": False,
            "writes": [str(upper), str(temporary)],
        }
        outcome, log = _follow(self.place.spawner, write_spec(spec, temporary))
        if outcome.code != 0 or outcome.excess is not None:
            raise StepError(layer.name, step, outcome, log)
        remove_tree(str(temporary))

    def _finish_layer(self, number: int, upper: Path) -> None:
        raw = scan_upper(str(upper), self.tree, self.job.epoch)
        after = apply_layer(self.tree, raw)
        layer = self.job.layers[number]
        difference = find_difference(self.tree, after)
        parts = split_step(layer.name, difference, [(name, packages) for name, packages in layer.groups], open_origin)
        folder = Path(self.job.folder) / f"layers-{number}"
        folder.mkdir()
        files = write_layers(parts, open_origin, folder, self.pool, partial(find_packed, self.store))
        self.tree = after
        described = [_encode_file(folder / f"{part}.listing", file) for part, file in enumerate(files)]
        for made in (folder, *folder.iterdir()):
            os.chown(made, *self.place.caller)
        report(event="layer", layer=number, files=described)


@contextmanager
def _noticing_full_scratch(scratch: Scratch) -> Iterator[None]:
    try:
        yield
    except (StepError, OSError) as error:
        # A program that ran out of space may have cleaned up since; then only its output tells.
        found_none = error.log.has_no_space if isinstance(error, StepError) else _NO_SPACE in str(error).encode()
        if scratch.in_memory and (scratch.is_full() or found_none):
            raise ScratchFullError(f"{scratch.memory >> 20} MB") from error
        raise


@dataclass(slots=True)
class Log:
    """A step's output: its tail, and whether any of it reports a lack of space."""

    tail: bytearray = field(default_factory=bytearray)
    has_no_space: bool = False

    def add(self, chunk: bytes) -> None:
        self.tail.extend(chunk)
        self.has_no_space = self.has_no_space or _NO_SPACE in self.tail[-len(chunk) - len(_NO_SPACE) :]
        del self.tail[:-_LOG_BYTES]

    @property
    def text(self) -> str:
        return "\n".join(self.tail.decode(errors="replace").splitlines()[-_LOG_LINES:])


def _follow(spawner: Spawner, spec: Path) -> tuple[StepEnd, Log]:
    """Run a step; returns how it ended, and its output."""
    reading, writing = os.pipe()
    log = Log()

    def read() -> None:
        while chunk := os.read(reading, _LOG_BYTES):
            log.add(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        outcome = spawner.run(spec, [-1, writing, writing])
    finally:
        os.close(writing)
        reader.join()
        os.close(reading)
    return outcome, log


def _encode_file(listing: Path, file: LayerFile) -> dict[str, Any]:
    listing.write_bytes(file.listing)
    return file.packed.record() | {
        "name": file.name,
        "path": None if file.path is None else str(file.path),
        "content": str(file.content),
        "listing": str(listing),
    }


def lay_out_lowers(lowers: list[LowerLayer], scratch: Scratch, overlay: Overlay, pool: Executor) -> None:
    """Add the layers below to an overlay: as folders in the store, or, where that fails, unpacked over each other."""
    folders: list[Path] = []
    try:
        for number, lower in enumerate(lowers):
            folders.append(_lay_out_lower(number, lower, scratch, pool))
        overlay.try_lowers(folders)
    except OSError:
        # What one unprivileged user may make on a disk, and put into an overlay, depends on the kernel and the disk.
        folders = [scratch.make("together")]
        for lower in lowers:
            unpack_layer(Path(lower.path), lower.members, str(folders[0]), pool)
    for folder in folders:
        overlay.add_lower(folder)


def _lay_out_lower(number: int, lower: LowerLayer, scratch: Scratch, pool: Executor) -> Path:
    if lower.tree is None:
        folder = scratch.make(f"lower/{number}")
        unpack_layer(Path(lower.path), lower.members, str(folder), pool, alone=True)
        return folder
    # Mount options have no room for the paths of a store.
    link = scratch.make_link(number, lower.tree)
    if not lower.is_ready:
        os.mkdir(lower.tree)
        unpack_layer(Path(lower.path), lower.members, lower.tree, pool, alone=True)
        report(event="unpacked", layer=number)
    return link


# -- running ----------------------------------------------------------------------------------------------------------


def run_command(job: RunJob, place: Place, streams: list[int], pool: Executor) -> None:
    """Run a command in an image; its standard streams are descriptors that the engine passed on."""
    scratch, overlay = place.scratch, Overlay(place.scratch)
    with _noticing_full_scratch(scratch):
        lay_out_lowers(job.lowers, scratch, overlay, pool)
    upper, temporary = scratch.make("upper"), scratch.make("temporary")
    spec = {
        "overlay": overlay.options(upper),
        "binds": job.binds,
        "argv": job.argv,
        "env": job.env,
        "cwd": job.cwd,
        "hostname": HOSTNAME,
        "network": job.network,
        "read_only": job.read_only,
        "writes": [str(upper), str(temporary)],
    }
    outcome = place.spawner.run(write_spec(spec, temporary), streams, terminal=job.terminal)
    if outcome.excess is not None:
        report(event="over-limit", what=describe_excess(job.limits, outcome.excess))
    else:
        report(event="exit", code=outcome.code)


def write_spec(spec: dict[str, Any], temporary: Path) -> Path:
    path = temporary / "spec.json"
    path.write_text(json.dumps({**spec, "temporary": str(temporary)}))
    return path


# -- the process ------------------------------------------------------------------------------------------------------

_reporting = threading.Lock()


def report(**event: Any) -> None:
    with _reporting:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a job works with."""

    scratch: Scratch
    spawner: Spawner
    caller: tuple[int, int]


def do_job(job: Job, streams: list[int]) -> None:
    entered = enter_namespaces(job)
    if isinstance(job, RemoveJob):
        remove_tree(job.path)
        return
    scratch = Scratch(job.folder, job.memory, prefer_disk=job.prefer_disk)
    user = (job.user[0], job.user[1]) if isinstance(job, RunJob) and job.user is not None else (0, 0)
    users, groups = entered.maps
    with (
        start_spawner(
            SpawnerSettings(
                folder=job.folder,
                bubblewrap=(job.isolator.program, job.isolator.libraries),
                users=users.step,
                groups=groups.step,
                user=user,
                limits=job.limits,
                network=isinstance(job, RunJob) and job.network,
                mapped=entered.mapped,
            )
        ) as spawner,
        ThreadPoolExecutor(job.jobs) as pool,
        ThreadPoolExecutor(1) as finisher,
    ):
        place = Place(scratch=scratch, spawner=spawner, caller=entered.caller)
        if isinstance(job, RunJob):
            run_command(job, place, streams, pool)
        else:
            Builder(job, place, pool, finisher).build()


def main() -> int:
    kernel.die_with_parent(int(sys.argv[1]))
    os.umask(0o022)
    try:
        job = decode_job(sys.stdin.readline())
        do_job(job, [int(number) for number in sys.argv[2:5]])
    except StepError as error:
        report(
            event="step-failed",
            layer=error.layer,
            step=error.step,
            code=error.outcome.code,
            over=error.outcome.excess,
            log=error.log.text,
        )
    except ScratchFullError as error:
        report(event="memory-full", size=str(error))
    except NoScratchError as error:
        report(event="no-place", problem=str(error))
    except IsolationError as error:
        report(event="not-isolated", problem=str(error))
    except ImagefabError as error:
        report(event="refused", problem=error.problem, hint=error.hint, code=error.exit_code)
    except (OSError, ValueError) as error:
        report(event="failed", problem=f"{type(error).__name__}: {error}", number=getattr(error, "errno", None))
    else:
        report(event="done")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
