"""`imagefab render`: the Dockerfiles that people review and engines build."""

from __future__ import annotations

import argparse

from imagefab.cli.session import Session
from imagefab.errors import StaleError, UsageError

NAME = "render"
HELP = "write images/<recipe>/Dockerfile; --check exits 4 on a difference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when a Dockerfile is stale")


def run(session: Session) -> int:
    from imagefab.factory import dockerfile_path, render_recipe
    from imagefab.oci.disk import write_atomic
    from imagefab.plainfile import has_bytes

    if session.project.shipped:
        raise UsageError(
            "no project here: the recipes that ship with imagefab are rendered already",
            hint="`imagefab init` starts one",
        )
    stale = []
    for prepared in session.prepare(session.arguments.recipes or None):
        path = dockerfile_path(session.project, prepared.recipe.name)
        text = render_recipe(prepared).encode()
        if has_bytes(path, text):
            continue
        if session.arguments.check:
            stale.append(prepared.recipe.name)
        else:
            write_atomic(path, text, within=session.project.root)
            session.progress.say(f"{session.project.show(path)} written")
    if stale:
        raise StaleError(
            f"these Dockerfiles are not what their recipes and locks say: {', '.join(stale)}",
            hint=f"run `imagefab render {' '.join(stale)}`",
        )
    return 0
