"""`imagefab new`: a first draft of a recipe."""

from __future__ import annotations

import argparse

from imagefab.cli.session import Session

NAME = "new"
HELP = "start a recipe"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--target", required=True, metavar="T", help="the Rust target triple")
    parser.add_argument("--kind", required=True, metavar="K", help="the kind of toolchain")
    parser.add_argument("--base", default="trixie", metavar="B", help="what it stands on (default: trixie)")


def run(session: Session) -> int:
    from imagefab.recipe.new import compose_recipe, write_recipe
    from imagefab.toolchains.design import RULES

    arguments = session.arguments
    text = compose_recipe(
        arguments.name, target=arguments.target, kind=arguments.kind, rules=RULES, base=arguments.base
    )
    path = write_recipe(session.project, arguments.name, text)
    session.progress.say(f"{session.project.show(path)} written; next: imagefab lock {arguments.name}")
    return 0
