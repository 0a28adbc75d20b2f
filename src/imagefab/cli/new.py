"""`imagefab new`: write a first draft of a recipe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "new"
HELP = "start a recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what the recipe is to be called")
    parser.add_argument("--target", required=True, metavar="T", help="the Rust target triple")
    parser.add_argument("--kind", required=True, metavar="K", help="the kind of toolchain")
    parser.add_argument("--base", default="trixie", metavar="B", help="the base (default: trixie)")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.start import NewRequest, start_recipe

    request = NewRequest(name=arguments.name, target=arguments.target, kind=arguments.kind, base=arguments.base)
    path = start_recipe(workspace, request)
    workspace.progress.say(f"{workspace.project.show(path)} written; next: imagefab lock {request.name}")
    return 0
