"""What people see: progress and errors on standard error, data on standard output.

Progress is live on a terminal, and plain lines elsewhere. All output goes through here, since almost all of it includes
untrusted text.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from imagefab.errors import ImagefabError, list_errors
from imagefab.printable import format_size, make_printable, make_printable_json
from imagefab.progress import Progress, SilentProgress, Task

if TYPE_CHECKING:
    from rich.progress import TaskID

_QUIET_SECONDS = 0.5
"""Anything faster gets no line."""


def use_color(choice: str, stream: TextIO) -> bool:
    if choice != "auto":
        return choice == "always"
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def make_progress(*, color: str, verbose: bool) -> Progress:
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return LiveProgress(color=use_color(color, sys.stderr))
    return LineProgress(verbose=verbose)


class QuietProgress(SilentProgress):
    """Shows only warnings."""

    def warn(self, text: str) -> None:
        write_error(f"warning: {text}\n")


class LineProgress:
    """Prints a line when a task that took time is done."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._lock = threading.Lock()

    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        if self._verbose:
            self.say(f"{label} …")
        return _LineTask(self, label, total, unit, self._verbose)

    def say(self, text: str) -> None:
        with self._lock:
            write_error(f"{text}\n")

    def warn(self, text: str) -> None:
        self.say(f"warning: {text}")


class _LineTask:
    def __init__(self, progress: LineProgress, label: str, total: int | None, unit: str, verbose: bool) -> None:
        self._progress, self._label, self._total, self._unit, self._verbose = progress, label, total, unit, verbose
        self._began = time.monotonic()

    def advance(self, amount: int) -> None:
        pass

    def finish(self, note: str = "") -> None:
        seconds = time.monotonic() - self._began
        if seconds < _QUIET_SECONDS and not self._verbose:
            return
        size = f", {format_size(self._total)}" if self._unit == "B" and self._total else ""
        note = f" ({note})" if note else ""
        self._progress.say(f"{self._label}{size}: {seconds:.1f} s{note}")


class LiveProgress:
    """Shows bars while tasks run, and a line for each that took time when it is done."""

    def __init__(self, *, color: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True, no_color=not color, highlight=False, soft_wrap=True, emoji=False)
        self._bars = Progress(
            SpinnerColumn("dots" if self._console.encoding.startswith("utf") else "line"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[amount]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._lock = threading.Lock()
        self._open = 0

    def start(self, label: str, *, total: int | None = None, unit: str = "") -> Task:
        with self._lock:
            if self._open == 0:
                self._bars.start()
            self._open += 1
        number = self._bars.add_task(make_printable(label), total=total, amount="")
        return _LiveTask(self, number, label, total, unit)

    def advance(self, number: TaskID, amount: int, text: str) -> None:
        self._bars.update(number, advance=amount, amount=text)

    def finish(self, number: TaskID, line: str | None) -> None:
        self._bars.remove_task(number)
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._bars.stop()
        if line is not None:
            self.say(line)

    def say(self, text: str) -> None:
        self._console.print(make_printable(text), markup=False)

    def warn(self, text: str) -> None:
        self._console.print(make_printable(f"warning: {text}"), style="yellow", markup=False)

    def close(self) -> None:
        self._bars.stop()


class _LiveTask:
    def __init__(self, progress: LiveProgress, number: TaskID, label: str, total: int | None, unit: str) -> None:
        self._progress, self._number, self._label, self._total, self._unit = progress, number, label, total, unit
        self._began = time.monotonic()
        self._done = 0
        self._lock = threading.Lock()

    def advance(self, amount: int) -> None:
        with self._lock:
            self._done += amount
            done = self._done
        text = format_size(done) if self._unit == "B" else str(done)
        if self._total:
            text += f" of {format_size(self._total) if self._unit == 'B' else self._total}"
        self._progress.advance(self._number, amount, text)

    def finish(self, note: str = "") -> None:
        seconds = time.monotonic() - self._began
        size = f", {format_size(self._total)}" if self._unit == "B" and self._total else ""
        note = f" ({note})" if note else ""
        line = f"{self._label}{size}: {seconds:.1f} s{note}" if seconds >= _QUIET_SECONDS else None
        self._progress.finish(self._number, line)


def print_error(error: ImagefabError, *, color: str) -> None:
    """Print where and what and, after a blank line, what to do."""
    errors = list_errors(error)
    for one in errors:
        _print_message(one, "error", "\033[31;1m", color=color)
        if one is not errors[-1]:
            sys.stderr.write("\n")


def print_warning(problem: ImagefabError, *, color: str) -> None:
    """Print a non-fatal problem in the same form; others may follow."""
    _print_message(problem, "warning", "\033[33;1m", color=color)
    sys.stderr.write("\n")


def _print_message(problem: ImagefabError, label: str, paint: str, *, color: str) -> None:
    paint, bold, off = (paint, "\033[1m", "\033[0m") if use_color(color, sys.stderr) else ("", "", "")
    where = f"{bold}{make_printable(str(problem.position))}:{off} " if problem.position else ""
    sys.stderr.write(f"{where}{paint}{label}:{off} {_continue(problem.problem)}\n")
    if problem.hint:
        sys.stderr.write(f"\n{bold}hint:{off} {_continue(problem.hint)}\n")


def _continue(text: str) -> str:
    """Escape text that continues a line: only its later lines could be taken for commands."""
    return make_printable(f"-{text}")[1:]


def write_error(text: str) -> None:
    sys.stderr.write(make_printable(text))
    sys.stderr.flush()


def write_out(text: str) -> None:
    """Write data as text, in whole lines."""
    sys.stdout.write(make_printable(text))
    sys.stdout.flush()


def write_json(text: str) -> None:
    sys.stdout.write(make_printable_json(text))


def print_json(value: dict[str, Any]) -> None:
    write_json(json.dumps({"schema": 1, **value}, indent=2) + "\n")
