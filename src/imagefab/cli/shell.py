"""`imagefab shell`: look around in an image, the current folder mounted."""

from __future__ import annotations

import argparse

from imagefab.cli.run import add_image_arguments, run_words
from imagefab.cli.session import Session

NAME = "shell"
HELP = "a shell in an image, the current folder mounted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_image_arguments(parser)


def run(session: Session) -> int:
    return run_words(session, ("bash",))
