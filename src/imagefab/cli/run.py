"""`imagefab run`: run a command in an image as the calling user, with the working folder or another one mounted."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.cli import arguments as shared
from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "run"
HELP = "run a command in an image, with the working folder mounted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_image_arguments(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD…", help="what to run in the image")


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    shared.add_engine(parser)
    parser.add_argument(
        "--mount", type=Path, metavar="DIR", help="the folder to mount and work in (default: the working folder)"
    )
    shared.add_bind(parser)
    parser.add_argument("recipe", metavar="RECIPE", help="its name, as in `imagefab list`")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    words = arguments.command
    if words and words[0].startswith("-") and words[0] != "--":
        raise UsageError(
            f"{words[0]} stands after the recipe, where the command is",
            hint="options go before the recipe: `imagefab run [OPTION…] RECIPE -- CMD…`",
        )
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise UsageError("no command given", hint="`imagefab run RECIPE -- CMD…`; for a shell, `imagefab shell RECIPE`")
    return run_words(arguments, workspace, words)


def run_words(arguments: argparse.Namespace, workspace: Workspace, words: Sequence[str]) -> int:
    from imagefab.flows import run as flow

    request = flow.RunRequest(
        recipe=arguments.recipe,
        words=tuple(words),
        folder=workspace.surroundings.folder / (arguments.mount or "."),
        user=(os.getuid(), os.getgid()),
        terminal=os.environ.get("TERM", "dumb"),
        engine=arguments.engine,
        binds=shared.read_binds(arguments.bind),
    )
    return flow.run(workspace, request)
