"""The sandbox's worker: a process with a mount namespace of its own (and a user namespace, for ordinary users).

It lays out the layers below, runs the steps, and writes canonical layers. Both cores have work all the time: packages
are decoded ahead while steps run, and a finished layer is scanned, compressed and hashed while the next one is built.
Scratch space is memory where there is enough of it: most of a build is small files that are read again at once.

It speaks JSON lines: a job on standard input, events on standard output. All that it mounts goes with it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imagefab.engines.sandbox import isolate
from imagefab.engines.sandbox.files import lay_out_tree, open_origin, scan_upper, unpack_layer
from imagefab.engines.sandbox.job import BuildJob, Job, LayerJob, LowerLayer, RemoveJob, RunJob, decode_job
from imagefab.engines.sandbox.scratch import NoPlaceError, Overlay, Scratch
from imagefab.errors import ImagefabError
from imagefab.oci.layer import LayerFile, read_tree, write_layer
from imagefab.oci.tree import Tree, apply_layer, find_difference

HOSTNAME = "imagefab"
_LOG_LINES = 40
_LOG_BYTES = 1 << 16


class StepError(Exception):
    """A step ended with another exit code than 0."""

    def __init__(self, layer: str, step: str, code: int, log: str) -> None:
        super().__init__(f"{layer}: {step}: exit code {code}")
        self.layer, self.step, self.code, self.log = layer, step, code, log


class MemoryFullError(Exception):
    """Scratch space in memory is full. On disk there may be more."""


# -- building ---------------------------------------------------------------------------------------------------------


class Builder:
    def __init__(self, job: BuildJob, pool: Executor, finisher: Executor) -> None:
        self.job = job
        self.pool = pool
        self.finisher = finisher
        self.scratch = Scratch(job.folder, job.memory, prefer_disk=job.prefer_disk)
        self.overlay = Overlay(self.scratch)
        self.tree: Tree = {}
        self.decoded: list[list[Future[None]]] = []

    def build(self) -> None:
        """Run all layers' steps; each finished layer is written in the background, in order."""
        self.decoded = [self._decode_packages(number, layer) for number, layer in enumerate(self.job.layers)]
        try:
            with _telling_full_memory(self.scratch):
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
        from imagefab.sources.debian.payload import decode_package

        folder = self.scratch.make(f"debs/{number}")
        return [self.pool.submit(decode_package, Path(path), folder / name) for path, name in layer.packages]

    def _build_layer(self, number: int, layer: LayerJob) -> Path:
        tell(event="layer-begin", layer=number)
        for future in self.decoded[number]:
            future.result()
        debs = self.scratch.root / f"debs/{number}"
        upper = self.scratch.make(f"upper/{number}")
        if layer.bootstrap:
            from imagefab.sources.debian.rootfs import read_rootfs

            lay_out_tree(read_rootfs((debs / name for _, name in layer.packages), self.job.epoch), str(upper))
        for step in layer.steps:
            tell(event="step", layer=number, text=step)
            self._run_step(layer, step, upper, debs)
        shutil.rmtree(debs)
        return upper

    def _run_step(self, layer: LayerJob, step: str | None, upper: Path, debs: Path) -> None:
        binds = [{"source": layer.inputs, "target": "/run/imagefab", "read_only": True}]
        if layer.packages:
            (Path(layer.inputs) / "debs").mkdir(exist_ok=True)
            binds.append({"source": str(debs), "target": "/run/imagefab/debs", "read_only": True})
        spec = {
            "root": str(self.overlay.root),
            "overlay": self.overlay.options(upper),
            "binds": binds,
            "argv": ["/bin/sh", "-c", step] if step is not None else None,
            "env": self.job.env,
            "cwd": "/",
            "user": None,
            "hostname": HOSTNAME,
            "network": False,
            "read_only": False,
        }
        temporary = self.scratch.make_another("temporary")
        code, log = _follow(isolate_command(spec, temporary))
        if code != 0:
            raise StepError(layer.name, step or "set up", code, log)
        shutil.rmtree(temporary)

    def _finish_layer(self, number: int, upper: Path) -> None:
        raw = scan_upper(str(upper), self.tree, self.job.epoch)
        after = apply_layer(self.tree, raw)
        difference = find_difference(self.tree, after, self.job.epoch)
        path = Path(self.job.folder) / f"layer-{number}.tar.gz"
        with path.open("wb") as out:
            file = write_layer(difference, self.job.epoch, open_origin, out, self.pool)
        self.tree = after
        tell(event="layer", layer=number, path=str(path), **_encode_file(path, file))


@contextmanager
def _telling_full_memory(scratch: Scratch) -> Iterator[None]:
    try:
        yield
    except (StepError, OSError) as error:
        # A program that found no space may have tidied up since; then only its words tell.
        told = error.log if isinstance(error, StepError) else str(error)
        if scratch.in_memory and (scratch.is_full() or os.strerror(errno.ENOSPC) in told):
            raise MemoryFullError(f"{scratch.memory >> 20} MB") from error
        raise


def _follow(command: list[str]) -> tuple[int, str]:
    """Run a command; its exit code and the end of what it said."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        tail = b""
        while chunk := os.read(process.stdout.fileno(), _LOG_BYTES):
            tail = (tail + chunk)[-_LOG_BYTES:]
    return process.returncode, "\n".join(tail.decode(errors="replace").splitlines()[-_LOG_LINES:])


def _encode_file(path: Path, file: LayerFile) -> dict[str, Any]:
    listing = path.with_suffix(".listing")
    listing.write_bytes(file.listing)
    return {
        "digest": str(file.digest),
        "diff_id": str(file.diff_id),
        "size": file.size,
        "plain_size": file.plain_size,
        "members": list(file.members),
        "listing": str(listing),
    }


def lay_out_lowers(lowers: list[LowerLayer], scratch: Scratch, overlay: Overlay, pool: Executor) -> None:
    """All layers below, laid over each other in one folder."""
    folder = scratch.make("lower")
    for lower in lowers:
        unpack_layer(Path(lower.path), lower.members, str(folder), pool)
    overlay.add_lower(folder)


# -- running ----------------------------------------------------------------------------------------------------------


def run_command(job: RunJob, streams: list[int], pool: Executor) -> None:
    """A command in an image; its standard streams are descriptors that the engine passed on."""
    scratch = Scratch(job.folder, job.memory, prefer_disk=job.prefer_disk)
    overlay = Overlay(scratch)
    with _telling_full_memory(scratch):
        lay_out_lowers(job.lowers, scratch, overlay, pool)
    spec = {
        "root": str(overlay.root),
        "overlay": overlay.options(scratch.make("upper")),
        "binds": job.binds,
        "argv": job.argv,
        "env": job.env,
        "cwd": job.cwd,
        "user": job.user,
        "hostname": HOSTNAME,
        "network": job.network,
        "read_only": job.read_only,
    }
    stdin, stdout, stderr = streams
    command = isolate_command(spec, scratch.make_another("temporary"))
    result = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=stderr, check=False)
    tell(event="exit", code=result.returncode)


def isolate_command(spec: dict[str, Any], temporary: Path) -> list[str]:
    path = temporary / "spec.json"
    path.write_text(json.dumps({**spec, "temporary": str(temporary), "parent": os.getpid()}))
    return [sys.executable, "-X", "utf8", "-I", "-S", isolate.__file__, str(path)]


# -- the process ------------------------------------------------------------------------------------------------------

_telling = threading.Lock()


def tell(**event: Any) -> None:
    with _telling:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def enter_namespaces(*, user_namespace: bool) -> None:
    """Mounts of our own. In a user namespace, whoever started us maps the ids before going on."""
    flags = isolate.CLONE_NEWNS
    isolate.unshare(flags | isolate.CLONE_NEWUSER if user_namespace else flags)
    tell(event="ready")


def do_job(job: Job, streams: list[int]) -> None:
    if isinstance(job, RemoveJob):
        shutil.rmtree(job.path)
        return
    with ThreadPoolExecutor(job.jobs) as pool, ThreadPoolExecutor(1) as finisher:
        if isinstance(job, RunJob):
            run_command(job, streams, pool)
        else:
            Builder(job, pool, finisher).build()


def main() -> int:
    user_namespace, parent = sys.argv[1] == "user", int(sys.argv[2])
    isolate.die_with_parent(parent)
    os.umask(0o022)
    try:
        enter_namespaces(user_namespace=user_namespace)
        job = decode_job(sys.stdin.readline())
        if user_namespace:
            os.setgid(0)
            os.setuid(0)
            # Becoming another user clears the wish to die with the parent.
            isolate.die_with_parent(parent)
        isolate.keep_mounts_private()
        do_job(job, [int(number) for number in sys.argv[3:6]])
    except StepError as error:
        tell(event="step-failed", layer=error.layer, step=error.step, code=error.code, log=error.log)
    except MemoryFullError as error:
        tell(event="memory-full", size=str(error))
    except NoPlaceError as error:
        tell(event="no-place", problem=str(error))
    except ImagefabError as error:
        tell(event="refused", problem=error.problem, hint=error.hint, code=error.exit_code)
    except (OSError, ValueError) as error:
        tell(event="failed", problem=f"{type(error).__name__}: {error}", number=getattr(error, "errno", None))
    else:
        tell(event="done")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
