"""`imagefab sbom`: print an image's SBOM as SPDX, from the lock alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagefab.cli import arguments as shared
from imagefab.cli.display import write_json

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "sbom"
HELP = "print an image's packages with versions, sources and hashes as SPDX, from its lock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="its name, as in `imagefab list`")
    shared.add_platform(parser)


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.attachments import compose_sbom

    write_json(compose_sbom(workspace, arguments.recipe, shared.read_platform(arguments)))
    return 0
