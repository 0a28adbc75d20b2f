"""`imagefab context`: write everything that a Dockerfile needs, for a build without imagefab."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.cli import arguments as shared

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "context"
HELP = "lay out a recipe's Dockerfile and all its inputs, checked, for `docker buildx build --network none DIR`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="its name, as in `imagefab list`")
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    shared.add_allow_file(parser)
    shared.add_platforms(parser, "default: all of the recipe's")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.render import ContextRequest, lay_out_context

    request = ContextRequest(
        recipe=arguments.recipe, folder=arguments.folder, platforms=shared.read_platforms(arguments)
    )
    count = lay_out_context(workspace, request)
    workspace.progress.say(f"{request.folder}: Dockerfile and {count} files")
    return 0
