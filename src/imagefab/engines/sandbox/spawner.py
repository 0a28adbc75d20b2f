"""The process that starts steps: a separate program, because a process that makes namespaces must have one thread.

It is the first process of a PID namespace, so everything it started ends with it; and it ends when the worker does,
whenever that is. It is also where all processes of a step can be counted.

A request is a JSON object with a step's `spec` (a file) and whether it has a terminal, sent along with its standard
streams as descriptors. The answer is the step's exit code, or the limit that it exceeded.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imagefab.engines.sandbox import isolate, kernel, watch
from imagefab.engines.sandbox.ids import Extent, write_map_files
from imagefab.engines.sandbox.namespaces import list_levels, make_namespace
from imagefab.engines.sandbox.seccomp import encode_filter
from imagefab.limits import Limits

_BEGIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from imagefab.engines.sandbox.spawner import main; main()"
_PACKAGES = str(Path(__file__).parents[3])
_NOT_STARTED = 127
_TIOCSPTLCK = 0x40045431
"""Unlocks the near end of a new terminal, which can't be opened before that."""


class IsolationError(Exception):
    """A step's isolation could not be set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    code: int
    excess: str | None = None
    """The limit that it exceeded."""


# -- the worker's side ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawner:
    channel: socket.socket

    def run(self, spec: Path, streams: list[int], *, terminal: bool = False) -> StepEnd:
        """Run a step to its end with these standard streams; -1 is an empty input.

        With a terminal, the first is the socket that the terminal's far end is sent to, and there are no others.
        """
        request = {"spec": str(spec), "input": streams[0] >= 0, "terminal": terminal}
        with contextlib.suppress(OSError):  # a spawner that has ended may have said why
            kernel.send_message(self.channel, json.dumps(request).encode(), [one for one in streams if one >= 0])
        answer, _ = kernel.receive_message(self.channel, 0)
        if not answer:
            raise IsolationError("the process that starts steps has ended")
        found = json.loads(answer)
        if "problem" in found:
            raise IsolationError(found["problem"])
        return StepEnd(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnerSettings:
    """Settings that all steps of a job share."""

    folder: str
    """The job's folder, so that a process list shows which job it is."""
    bubblewrap: tuple[str, str | None]
    """The program, and the folder of the libraries that came with it."""
    users: tuple[Extent, ...]
    groups: tuple[Extent, ...]
    user: tuple[int, int]
    limits: Limits
    network: bool
    mapped: dict[str, int]
    """Id-mapped mounts of the caller's folders, by path."""


@contextlib.contextmanager
def start_spawner(settings: SpawnerSettings) -> Iterator[Spawner]:
    """Start the spawner, which inherits this process's mounts and working folder."""
    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [str(os.getpid()), str(its.fileno()), json.dumps(asdict(settings))]
    process = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-I", "-S", "-c", _BEGIN, _PACKAGES, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[its.fileno(), *settings.mapped.values()],
        start_new_session=True,
    )
    its.close()
    try:
        yield Spawner(own)
    finally:
        own.close()
        process.wait()


# -- the spawner's side -----------------------------------------------------------------------------------------------


def main() -> None:
    parent, descriptor, text = sys.argv[1:]
    kernel.die_with_parent(int(parent))
    kernel.own_proc_files()
    channel = socket.socket(fileno=int(descriptor))
    channel.set_inheritable(False)
    settings = _decode_settings(text)
    limits = settings.limits
    try:
        watch.offer_to_end()
        watch.hold_processes(limits)
        watch.hold_files(limits)
        namespace = _make_namespace(settings)
        kernel.unshare(kernel.CLONE_NEWPID)
        alive, held = os.pipe()
        first = os.fork()
        if first:
            os.close(alive)
            channel.close()
            os.waitpid(first, 0)
            os._exit(0)
        os.close(held)
        kernel.die_with_parent()
        _serve(channel, alive, namespace, settings)
    except OSError as error:
        with contextlib.suppress(OSError):
            kernel.send_message(channel, json.dumps({"problem": str(error)}).encode(), [])
    os._exit(0)


def _decode_settings(text: str) -> SpawnerSettings:
    value = json.loads(text)
    for name in ("users", "groups"):
        value[name] = tuple(Extent(**extent) for extent in value[name])
    return SpawnerSettings(**value | {"limits": Limits(**value["limits"])})


def _make_namespace(settings: SpawnerSettings) -> int:
    """Make the user namespace of steps. No further ones can be made in the current one after that."""
    levels = list(zip(list_levels(settings.users), list_levels(settings.groups), strict=True))
    found = make_namespace(levels, owner=(settings.user[0], settings.user[1]), write=write_map_files)
    with contextlib.suppress(OSError), open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    return found


def _serve(channel: socket.socket, alive: int, namespace: int, settings: SpawnerSettings) -> None:
    flags = kernel.CLONE_NEWNS
    kernel.unshare(flags if settings.network else flags | kernel.CLONE_NEWNET)
    kernel.keep_mounts_private()
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    isolate.set_up_stage(*settings.bubblewrap)
    kernel.bound_capabilities(isolate.CAPABILITIES)
    host = _Host(channel, alive, namespace, settings)
    while True:
        text, streams = kernel.receive_message(channel, 4)
        if not text:
            return
        try:
            answer = host.run(json.loads(text), streams)
        except OSError as error:
            answer = {"problem": str(error)}
        kernel.send_message(channel, json.dumps(answer).encode(), [])


@dataclass(frozen=True, slots=True)
class _Host:
    channel: socket.socket
    alive: int
    namespace: int
    settings: SpawnerSettings

    def run(self, request: dict[str, Any], streams: list[int]) -> dict[str, Any]:
        spec = json.loads(Path(request["spec"]).read_text())
        with contextlib.ExitStack() as stack:
            stack.callback(_close, streams)
            mounts = stack.enter_context(isolate.staged(spec, self.settings.mapped))
            if request["terminal"]:
                streams[:] = _open_terminal(streams[0], self.settings.user[0])
            elif not request["input"]:
                streams.insert(0, os.open(f"{isolate.STAGE}/dev/null", os.O_RDONLY | os.O_CLOEXEC))
            words = isolate.take_terminal(spec["argv"]) if request["terminal"] else spec["argv"]
            return self._follow(spec, mounts, words, streams)

    def _follow(self, spec: dict[str, Any], mounts: list[str], words: list[str], streams: list[int]) -> dict[str, Any]:
        seen, said = os.pipe2(os.O_CLOEXEC)
        with _as_file("filter", encode_filter(platform.machine())) as seccomp:
            own = isolate.list_options(spec, user_namespace=self.namespace, seccomp=seccomp, status=said)
            options = "".join(f"{option}\0" for option in [*own, *mounts])
            with _as_file("options", os.fsencode(options)) as arguments:
                uid, gid = self.settings.user
                process = subprocess.Popen(
                    [f"{isolate.STAGE}/program/bwrap", "--args", str(arguments), "--", *words],
                    stdin=streams[0],
                    stdout=streams[1],
                    stderr=streams[2],
                    pass_fds=(self.namespace, seccomp, arguments, said),
                    env={"LD_LIBRARY_PATH": f"{isolate.STAGE}/program"},
                    cwd="/",
                    start_new_session=True,
                    user=uid or None,
                    group=gid or None,
                    extra_groups=[] if uid or gid else None,
                )
        os.close(said)
        try:
            excess = self._wait(process, watch.Watch(limits=self.settings.limits, folders=tuple(spec["writes"])))
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        code = process.wait()
        code = code if code >= 0 else 128 - code
        if code == 128 + signal.SIGXFSZ:
            excess = excess or "disk"
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        with os.fdopen(seen, "rb") as status:
            started = b"exit-code" in status.read()
        return {"code": code if started or excess is not None else _NOT_STARTED, "excess": excess}

    def _wait(self, process: subprocess.Popen[bytes], looking: watch.Watch) -> str | None:
        """Wait until it ends or exceeds a limit. If the worker is gone, everything ends."""
        ended = os.pidfd_open(process.pid)
        poll = select.poll()
        for descriptor in (ended, self.channel.fileno(), self.alive):
            poll.register(descriptor, select.POLLIN | select.POLLHUP)
        try:
            while True:
                found = [descriptor for descriptor, _ in poll.poll(looking.interval * 1000)]
                if ended in found:
                    return None
                if found:
                    os._exit(0)
                if (excess := looking.find_excess()) is not None:
                    return excess
        finally:
            os.close(ended)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _open_terminal(where: int, owner: int) -> list[int]:
    """Open a new terminal for the step, three times. Its far end goes to the process that has the user's terminal."""
    other = os.open(f"{isolate.STAGE}/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(other, _TIOCSPTLCK, struct.pack("i", 0))
    with socket.socket(fileno=where) as channel:
        kernel.send_message(channel, b"terminal", [other])
    os.close(other)
    near = f"{isolate.STAGE}{isolate.TERMINAL}"
    os.chown(near, owner, -1)
    return [os.open(near, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC) for _ in range(3)]


@contextlib.contextmanager
def _as_file(name: str, content: bytes) -> Iterator[int]:
    """Content for a program to read, as a file without a name."""
    descriptor = os.memfd_create(name)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
