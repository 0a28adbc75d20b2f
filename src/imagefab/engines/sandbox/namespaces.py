"""Make user namespaces in a short-lived process, because the process that needs them can't be in them itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import NoReturn

from imagefab.engines.sandbox import kernel
from imagefab.engines.sandbox.ids import Extent, write_map_files

Level = tuple[Sequence[Extent], Sequence[Extent]]
"""The maps of a namespace's users and groups."""
Write = Callable[[int, Sequence[Extent], Sequence[Extent]], None]


def make_namespace(levels: Sequence[Level], *, owner: tuple[int, int] | None = None, write: Write) -> int:
    """Make one or more user namespaces, each in the one before; returns a descriptor of the last.

    `owner` makes them, and so has all capabilities in them. `write` writes the id maps of the first.
    """
    own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    holder = os.fork()
    if holder == 0:
        own.close()
        _hold(levels, owner, its)
    its.close()
    found: list[int] = []
    try:
        if own.recv(1):
            write(holder, *levels[0])
            own.send(b".")
            _, found = kernel.receive_message(own, 1)
    finally:
        own.close()
        code = os.waitstatus_to_exitcode(os.waitpid(holder, 0)[1])
    if not found:
        raise OSError(code, f"a user namespace: {os.strerror(code)}")
    return found[0]


def _hold(levels: Sequence[Level], owner: tuple[int, int] | None, channel: socket.socket) -> NoReturn:
    try:
        kernel.die_with_parent()
        if owner is not None:
            # On some systems, a namespace is useful only if its maker has capabilities.
            kernel.keep_capabilities()
            kernel.become(*owner)
            kernel.own_proc_files()
        kernel.unshare(kernel.CLONE_NEWUSER)
        channel.send(b".")
        if channel.recv(1):
            # A namespace's id maps can be written only from its parent namespace.
            found = make_namespace(levels[1:], write=write_map_files) if levels[1:] else _open_own()
            kernel.send_message(channel, b".", [found])
    except OSError as error:
        os._exit(error.errno or 1)
    os._exit(0)


def _open_own() -> int:
    return os.open("/proc/self/ns/user", os.O_RDONLY | os.O_CLOEXEC)


def list_levels(extents: Sequence[Extent]) -> tuple[list[Extent], list[Extent]]:
    """Return the maps of two nested namespaces that together map a step's ids to the same ids of the worker.

    The outer one uses the host's ids, so that a step that reads its map sees those.
    """
    between = [Extent(extent.outside, extent.inside, extent.count) for extent in extents]
    return between, list(extents)
