"""Run programs and time them; whoever is interrupted ends what they run, and cleans up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 30
"""Seconds between asking a program to end and making it."""


def watch_signals() -> None:
    """The first signal ends this program, and no other one disturbs it while it cleans up."""
    watched = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) != signal.SIG_IGN
    ]

    def leave(number: int, frame: object) -> None:
        for each in watched:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in watched:
        signal.signal(number, leave)


def run(*command: str | Path) -> str:
    """What the program prints. It gets no Ctrl-C of its own, but is asked to end when this program ends."""
    words = [str(word) for word in command]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            end(process)
            raise
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{out}{err}")
    return out


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    """Wait for a server that was started; when it does not come up, its log says why."""
    deadline = time.monotonic() + 60
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            words = process.args if isinstance(process.args, list) else [process.args]
            sys.exit(f"{' '.join(map(str, words))}\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


def mkdir(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
