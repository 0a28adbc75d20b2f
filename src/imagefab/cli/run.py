"""`imagefab run`: a command in an image, with the working folder, or another one, mounted, as whoever calls."""

from __future__ import annotations

import argparse
import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

from imagefab.cli.session import Session, working_folder
from imagefab.errors import UsageError

NAME = "run"
HELP = "run a command in an image, the working folder mounted; its exit code is yours"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_image_arguments(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…")


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("auto", "sandbox", "docker", "podman"), default="auto")
    parser.add_argument(
        "--mount", type=Path, metavar="DIR", help="the folder to mount and to work in (default: the working folder)"
    )
    add_bind_argument(parser)
    parser.add_argument("recipe", metavar="RECIPE")


def add_bind_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="HOST:INSIDE",
        help="a folder or file of yours, such as an SDK, and where it is to be in the image; read-only, repeatable",
    )


def run(session: Session) -> int:
    words = session.arguments.command
    if words and words[0].startswith("-") and words[0] != "--":
        raise UsageError(
            f"{words[0]} comes after the recipe", hint="options go before it: `imagefab run [OPTION…] RECIPE -- CMD…`"
        )
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise UsageError(
            "run what?", hint="`imagefab run RECIPE -- CMD…`; `imagefab shell RECIPE` is for looking around"
        )
    return run_words(session, words)


def run_words(session: Session, words: Sequence[str]) -> int:
    from imagefab.engines.build import find_image
    from imagefab.engines.command import hides_image, run_in_image
    from imagefab.engines.engine import Command
    from imagefab.platforms import machine_platform

    (prepared,) = session.prepare([session.arguments.recipe])
    (plan,) = prepared.choose([machine_platform().name])
    image = find_image(plan, session.store, session.progress)
    if image is None:
        raise UsageError(f"{plan.recipe} is not built", hint=f"run `imagefab build {plan.recipe}`")
    here = str(_find_folder(session.arguments.mount))
    if hides_image(image, here, session.store):
        raise UsageError(f"{here} is a folder of the image too", hint="go to a folder of your own first")
    command = Command(
        argv=tuple(words),
        env=(*plan.env, ("HOME", "/tmp"), ("TERM", os.environ.get("TERM", "dumb"))),  # noqa: S108
        cwd=here,
        user=(os.getuid(), os.getgid()),
        binds=((here, here),),
        read_only_binds=read_binds(session.arguments.bind),
        limits=session.project.settings.limits,
    )
    engine = session.arguments.engine
    return run_in_image(image, plan.recipe, command, session.store, session.progress, engine=engine)


def read_binds(asked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What of the host is to be where in the image."""
    found: dict[str, str] = {}
    for text in asked:
        host, _, inside = text.rpartition(":")
        path = posixpath.normpath(inside)
        if not host or not inside.startswith("/") or path in ("/", "//"):
            raise UsageError(
                f"--bind {text} does not say what is to be where",
                hint="`--bind HOST:INSIDE`, like `--bind ~/MacOSX15.0.sdk:/opt/osxcross/SDK`",
            )
        if path in found:
            raise UsageError(f"--bind: {found[path]} and {host} can't both be {path}")
        try:
            found[path] = str((working_folder() / Path(host).expanduser()).resolve(strict=True))
        except (OSError, RuntimeError) as error:
            raise UsageError(f"can't bind {host}: {getattr(error, 'strerror', None) or error}") from None
    return tuple((host, inside) for inside, host in found.items())


def _find_folder(asked: Path | None) -> Path:
    folder = working_folder() / (asked or ".")
    try:
        folder = folder.resolve(strict=True)
    except OSError as error:
        raise UsageError(f"can't mount {folder}: {error.strerror}") from error
    if not folder.is_dir():
        raise UsageError(f"can't mount {folder}: it is not a folder")
    return folder
