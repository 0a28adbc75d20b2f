"""`imagefab shell`: open a shell in an image, with the current folder mounted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagefab.cli.run import add_image_arguments, run_words

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "shell"
HELP = "open a shell in an image, with the working folder mounted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_image_arguments(parser)


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    return run_words(arguments, workspace, ("bash",))
