"""Start, follow and kill workers, and remove folders that only a worker can remove.

A worker dies with its parent, and everything it started dies with it. So only files are left to clean up, and on disk
these may belong to subordinate ids, which their owner can access only in a user namespace.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from imagefab.engines.sandbox.job import Job, RemoveJob, encode_job
from imagefab.errors import EngineError, FetchError, ImagefabError
from imagefab.files.disk import STORE, StoreError
from imagefab.files.remove import remove_tree

_ATTEMPTS, _PAUSE = 100, 0.05
_LONGEST = 500
_working: dict[int, Worker] = {}
"""The workers of this process, by process id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    process: subprocess.Popen[str]
    folder: Path
    """Its working folder."""
    log: IO[bytes]
    """Its standard error."""

    def send(self, job: Job) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(encode_job(job) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.explain_death() from None

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield its events. General failures are raised."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            match event["event"]:
                case "done":
                    return
                case "refused" | "failed" | "not-isolated":
                    raise _explain_failure(event)
            yield event
        raise self.explain_death()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()

    def explain_death(self) -> EngineError:
        code = self.process.wait()
        self.log.seek(0)
        log = self.log.read().decode(errors="replace").strip()
        return EngineError(
            f"the sandbox's worker ended early (exit code {code})\n{log}".rstrip(),
            hint="`imagefab doctor` says what it needs",
        )


@contextlib.contextmanager
def start_worker(folder: Path, streams: tuple[int, ...] = ()) -> Iterator[Worker]:
    """Start a worker; it is killed at the end, with everything it started.

    `streams` are the descriptors of a command's standard streams; -1 means none.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-X", "utf8", "-P", "-m", "imagefab.engines.sandbox.worker"),
                *map(str, (os.getpid(), *streams)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            pass_fds=[stream for stream in streams if stream >= 0],
        )
        worker = Worker(process=process, folder=folder, log=log)
        _working[process.pid] = worker
        try:
            yield worker
        finally:
            worker.kill()
            del _working[process.pid]
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


def _explain_failure(event: dict[str, Any]) -> ImagefabError:
    if event["event"] == "refused":
        kind = FetchError if event["code"] == FetchError.exit_code else EngineError
        return kind(event["problem"], hint=event["hint"])
    if event["event"] == "not-isolated":
        return EngineError(
            f"the sandbox can't be set up: {event['problem']}", hint="`imagefab doctor` says what it needs"
        )
    if event["number"] in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the disk is full: {event['problem']}",
            hint=STORE.full,
        )
    if event["number"] == errno.ENAMETOOLONG:
        return EngineError("a step has made a path that is too long to be in a layer")
    problem = event["problem"]
    shown = problem if len(problem) <= _LONGEST else f"{problem[:_LONGEST]}…"
    return EngineError(f"the sandbox failed: {shown}", hint="`imagefab doctor` says what it needs")


# -- removing ---------------------------------------------------------------------------------------------------------


def remove_folder(path: Path) -> None:
    """Remove a folder, killing its workers. What can't be removed stays; the next run tries again.

    OSError says why it stays.
    """
    working = [worker for worker in list(_working.values()) if worker.folder.is_relative_to(path)]
    for worker in working:
        worker.kill()
    for attempt in reversed(range(_ATTEMPTS)):
        problem = _try_to_remove(path)
        if problem is None or not path.exists():
            return
        # A killed worker's steps die a moment after it, and may write until then.
        if attempt == 0 or not (working or problem.errno == errno.ENOTEMPTY):
            raise problem
        time.sleep(_PAUSE)


def _try_to_remove(path: Path) -> OSError | None:
    try:
        remove_tree(str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        if os.geteuid() == 0:
            return error
        try:
            _remove_as_others(path)
        except OSError as problem:
            return problem
        except ImagefabError:
            return error
    return None


def _remove_as_others(path: Path) -> None:
    with start_worker(path.parent) as worker:
        worker.send(RemoveJob(path=str(path)))
        for _ in worker.events():
            pass
