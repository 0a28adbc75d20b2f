"""The standard streams of a command in the sandbox, which never gets a terminal or another device of the host.

A process that has a terminal can type into it and change its settings. So on a terminal, the command gets one of its
own, and input and output are relayed between the two; the user's terminal passes on all keys meanwhile, so that Ctrl-C
is for whatever runs in the sandbox. A single stream that is a device becomes a pipe.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import stat
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from imagefab.engines.sandbox.kernel import receive_message

_CHUNK = 1 << 16
_PATIENCE = 5.0
"""Seconds to wait for the last output of a command that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    descriptors: tuple[int, int, int]
    """For input, output and errors; -1 means none. With a terminal, the first is the socket for its far end."""
    terminal: bool = False


@contextlib.contextmanager
def lend_streams(output: IO[bytes] | None) -> Iterator[Streams]:
    """Lend this process's own streams, or no input and one output."""
    _open_closed()
    if output is not None:
        yield Streams(descriptors=(-1, output.fileno(), output.fileno()))
    elif all(os.isatty(number) for number in (0, 1, 2)):
        with _lend_terminal() as channel:
            yield Streams(descriptors=(channel, -1, -1), terminal=True)
    else:
        with contextlib.ExitStack() as stack:
            yield Streams(descriptors=(_lend_input(stack), _lend_output(stack, 1), _lend_output(stack, 2)))


def _open_closed() -> None:
    """Open /dev/null for closed standard streams, so that the next file opened does not take their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) < 3:
        pass
    os.close(descriptor)


# -- one by one -------------------------------------------------------------------------------------------------------


def _lend_input(stack: contextlib.ExitStack) -> int:
    if not _is_device(0):
        return _lend_again(stack, 0)
    if not os.isatty(0):
        return -1
    reading, writing = os.pipe()
    stack.callback(os.close, reading)
    # It may wait for a key that never comes, so it is not joined.
    threading.Thread(target=_pass_on, args=(0, writing, lambda: os.close(writing)), daemon=True).start()
    return reading


def _lend_output(stack: contextlib.ExitStack, number: int) -> int:
    if not _is_device(number):
        return _lend_again(stack, number)
    reading, writing = os.pipe()
    thread = threading.Thread(target=_pass_on, args=(reading, number, lambda: os.close(reading)), daemon=True)
    thread.start()
    stack.callback(thread.join, _PATIENCE)
    stack.callback(os.close, writing)
    return writing


def _lend_again(stack: contextlib.ExitStack, number: int) -> int:
    """Duplicate a descriptor: a worker has its own standard streams."""
    found = os.dup(number)
    stack.callback(os.close, found)
    return found


def _is_device(number: int) -> bool:
    return stat.S_ISCHR(os.fstat(number).st_mode)


def _pass_on(source: int, target: int, end: Callable[[], None]) -> None:
    with contextlib.suppress(OSError):
        while chunk := os.read(source, _CHUNK):
            _write(target, chunk)
    end()


def _write(target: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(target, chunk) :]


# -- a terminal -------------------------------------------------------------------------------------------------------


class _Terminal:
    """The user's terminal, and the far end of the command's."""

    def __init__(self) -> None:
        self.near, self.channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ended, self.ending = os.pipe()
        self.far: int | None = None

    def serve(self) -> None:
        """Wait for the far end, then relay input and output until it closes."""
        ready, _, _ = select.select([self.near.fileno(), self.ended], [], [])
        if self.near.fileno() not in ready:
            return
        _, descriptors = receive_message(self.near, 1)
        for self.far in descriptors:
            with contextlib.suppress(OSError):
                self.resize()
                # What has been typed already is kept.
                tty.setraw(0, termios.TCSANOW)
                self._relay(self.far)

    def resize(self) -> None:
        """Make the command's terminal as large as the user's."""
        if self.far is not None:
            size = fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(self.far, termios.TIOCSWINSZ, size)

    def _relay(self, far: int) -> None:
        watched = [0, far]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if far in ready:
                # An error means the end: its near end is closed.
                _write(1, os.read(far, _CHUNK))
            if 0 in ready:
                typed = os.read(0, _CHUNK)
                if not typed:
                    watched.remove(0)
                _write(far, typed)

    def close(self) -> None:
        self.near.close()
        for descriptor in (self.ended, self.far):
            if descriptor is not None:
                os.close(descriptor)


@contextlib.contextmanager
def _lend_terminal() -> Iterator[int]:
    terminal, before = _Terminal(), termios.tcgetattr(0)
    thread = threading.Thread(target=terminal.serve, daemon=True)
    try:
        with _on_resize(terminal.resize), terminal.channel:
            thread.start()
            yield terminal.channel.fileno()
    finally:
        os.close(terminal.ending)
        thread.join(_PATIENCE)
        if not thread.is_alive():
            terminal.close()
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _on_resize(resize: Callable[[], None]) -> Iterator[None]:
    """Call `resize` on SIGWINCH; only the main thread can handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, lambda *_: resize())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
