"""The program: global options, the verbs, and the exit codes that scripts rely on."""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, NoReturn

from imagefab import __version__
from imagefab.errors import EngineError, ImagefabError, UsageError
from imagefab.interrupts import INTERRUPTED, LINE, leave_on_interrupt, raise_on_interrupt

if TYPE_CHECKING:
    from imagefab.progress import Progress

PIPE_CLOSED = 141

_BAD_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES}
_PATIENCE, _PAUSE = 30.0, 0.2
"""Seconds that an interrupted run may take to clean up, and seconds between two looks at what still runs."""
_VERBS = ("list", "show", "init", "new", "lock", "render", "context", "build", "check", "judge", "publish",
          "cross-toml", "verify", "refresh", "diff", "matrix", "sbom", "run", "shell", "completion",
          "doctor", "gc")  # fmt: skip
"""Each has a module of that name here, which is imported when it is used."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"`{self.prog} --help` lists its options")


def _add_global_options(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """Add the global options, before and after the verb; only those before it have defaults."""

    def default(value: object) -> object:
        return value if top else argparse.SUPPRESS

    group = parser.add_argument_group("global options")
    group.add_argument("-C", dest="directory", metavar="DIR", default=default(None), help="change to that folder first")
    group.add_argument("-q", "--quiet", action="store_true", default=default(False), help="no progress")
    group.add_argument("-v", "--verbose", action="store_true", default=default(False), help="print more")
    group.add_argument(
        "--color", choices=("auto", "always", "never"), default=default("auto"), help="colours in messages"
    )
    group.add_argument("--store", metavar="DIR", default=default(None), help="the store (or IMAGEFAB_STORE)")
    group.add_argument(
        "--trust-from",
        metavar="REV",
        default=default(None),
        help="read imagefab.toml, and the records of published and checked images, from that git revision",
    )
    group.add_argument(
        "--offline", action="store_true", default=default(False), help="never use the network; list what is missing"
    )


def make_parser(arguments: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser for some arguments, which knows the verb in them alone; without any, for all verbs."""
    parser = _Parser(
        prog="imagefab",
        description="A factory for cross-compilation build images: same lock, same digest, whatever builds it.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"imagefab {__version__}")
    _add_global_options(parser, top=True)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb")
    for name in _VERBS if arguments is None else _list_needed(arguments):
        module = _import_verb(name)
        verb = verbs.add_parser(module.NAME, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_arguments(verb)
        _add_global_options(verb, top=False)
        verb.set_defaults(run=module.run)
    return parser


def _list_needed(arguments: Sequence[str]) -> Sequence[str]:
    """The verb that arguments name; all of them if it is none, as errors and help list them."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    _add_global_options(parser, top=True)
    try:
        _, rest = parser.parse_known_args(arguments)
    except UsageError:
        return _VERBS
    if rest == ["--version"]:
        return ()
    return rest[:1] if rest and rest[0] in _VERBS else _VERBS


def _import_verb(name: str) -> ModuleType:
    """Import a verb's module. `list` is a word of Python's."""
    return importlib.import_module(f"imagefab.cli.{'list_' if name == 'list' else name.replace('-', '_')}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    leave_on_interrupt()
    sys.excepthook = _print_bug
    _open_streams()
    _speak_utf8()
    code = _run_interruptible(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"error: can't write the output: {error.strerror}\n")
            code = code or EngineError.exit_code
    if code == INTERRUPTED:
        # An orderly exit would wait for threads that did not stop in time.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run_interruptible(arguments: Sequence[str]) -> int:
    try:
        raise_on_interrupt()
        try:
            return run_main(arguments)
        finally:
            leave_on_interrupt()
    except KeyboardInterrupt:
        # Interrupted outside the handlers, or again during cleanup.
        sys.stderr.write(LINE)
        return INTERRUPTED


def _print_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback without terminal escapes: it may include untrusted text."""
    import traceback

    from imagefab.cli.display import write_error

    write_error("".join(traceback.format_exception(kind, error, trace)))


def _open_streams() -> None:
    """Replace standard streams that the caller closed, which Python sets to None, with /dev/null."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Not every terminal can show every character.
            stream.reconfigure(errors="backslashreplace")


def _speak_utf8() -> None:
    """Restart with UTF-8 for file names and engine arguments if the locale has another encoding.

    Both end up in images, which must not depend on the locale. Output for people keeps its encoding.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() == "utf-8" or "utf8" in sys._xoptions:
        return
    os.environ["PYTHONIOENCODING"] = sys.stdout.encoding
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def run_main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Only bugs raise exceptions."""
    signal.signal(signal.SIGTERM, _interrupt)
    color = "auto"
    try:
        parsed = make_parser(arguments).parse_args(arguments)
        color = parsed.color
        if parsed.verb is None:
            raise UsageError("no verb", hint="see `imagefab --help`")
        # A file of another project than the one of -C is named from here.
        parsed.started_in = None if parsed.directory is None else _find_folder()
        with _work_in(parsed.directory):
            return _run_verb(parsed)
    except ImagefabError as error:
        with contextlib.suppress(BrokenPipeError):
            _print_error(error, color)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(LINE)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output closed the pipe, as `head` does. What was not done by then is not done.
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        return PIPE_CLOSED
    except OSError as error:
        explained = _explain(error)
        if explained is None:
            raise
        _print_error(explained, color)
        return explained.exit_code


def _print_error(error: ImagefabError, color: str) -> None:
    from imagefab.cli.display import print_error

    print_error(error, color=color)


def _run_verb(arguments: argparse.Namespace) -> int:
    from imagefab.cli.display import LiveProgress, QuietProgress, make_progress
    from imagefab.cli.surroundings import read_surroundings
    from imagefab.flows.workspace import Workspace

    if arguments.quiet:
        progress: Progress = QuietProgress()
    else:
        progress = make_progress(color=arguments.color, verbose=arguments.verbose)
    workspace = Workspace(read_surroundings(arguments), progress)
    try:
        return int(arguments.run(arguments, workspace))
    except KeyboardInterrupt:
        _stop_work()
        raise
    finally:
        workspace.close()
        if isinstance(progress, LiveProgress):
            progress.close()


def _explain(error: OSError) -> ImagefabError | None:
    """Explain disk errors about user-supplied names, wherever they occur; None for what would be a bug."""
    if error.errno == errno.ENOSPC:
        return EngineError(f"no space left: {error.filename or 'where the output goes'}")
    if error.filename is not None and error.errno in _BAD_NAMES:
        from imagefab.toml.grammar import quote

        return UsageError(f"{error.strerror}: {quote(os.fsdecode(error.filename))}")
    return None


@contextlib.contextmanager
def _work_in(folder: str | None) -> Iterator[None]:
    """Change the working folder for everything that follows, including paths in arguments, like `make -C`."""
    if folder is None:
        yield
        return
    try:
        before = os.open(".", os.O_PATH) if hasattr(os, "O_PATH") else None
        name = "" if before is not None else os.getcwd()  # noqa: PTH109 - to come back to, as it is
        os.chdir(folder)
    except OSError as error:
        raise UsageError(f"can't work in {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        if before is None:
            os.chdir(name)
        else:
            os.fchdir(before)
            os.close(before)


def _find_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def _stop_work() -> None:
    """End child processes, so that the threads waiting for them clean up, but wait only so long."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    deadline = time.monotonic() + _PATIENCE
    while (threads := _list_threads()) and time.monotonic() < deadline:
        # The kernel's list of children may be incomplete, so this is repeated.
        _end_children(now)
        threads[0].join(_PAUSE)


def _list_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.current_thread()]


def _end_children(now: float) -> None:
    """End children started before `now`. Later ones are part of the cleanup."""
    ticks = now * os.sysconf("SC_CLK_TCK")
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            for child in (task / "children").read_text().split():
                with contextlib.suppress(OSError, ValueError):
                    _, _, fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")
                    if int(fields.split()[19]) <= ticks:
                        os.kill(int(child), signal.SIGTERM)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
