"""`imagefab render`: write the Dockerfiles that people review and engines build."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "render"
HELP = "write images/<recipe>/Dockerfile; --check exits 4 on a difference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when a Dockerfile is stale")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.render import render

    for path in render(workspace, tuple(arguments.recipes) or None, only_compare=arguments.check):
        workspace.progress.say(f"{workspace.project.show(path)} written")
    return 0
