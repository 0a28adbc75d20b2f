"""`imagefab sbom`: what is in an image, as SPDX, from the lock alone."""

from __future__ import annotations

import argparse

from imagefab.cli.display import write_json
from imagefab.cli.session import Session

NAME = "sbom"
HELP = (
    "print what is in an image as an SPDX document: every package with version, source and hash; needs the lock alone"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--platform", metavar="P", help="a host platform; default: this machine's")


def run(session: Session) -> int:
    from imagefab.emit.sbom import make_sbom
    from imagefab.platforms import parse_platform

    (prepared,) = session.prepare([session.arguments.recipe])
    asked = session.arguments.platform
    name = parse_platform(asked).name if asked else prepared.default_platform
    prepared.choose([name])
    write_json(make_sbom(prepared.lock, name, prepared.recipe.target.triple).decode())
    return 0
