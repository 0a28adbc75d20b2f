"""`imagefab init`: the files of a new project, and what to do next."""

from __future__ import annotations

import argparse

from imagefab.cli.session import Session, working_folder

NAME = "init"
HELP = "start a project: settings, bases, schemas and a first recipe; what is there already stays as it is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="default: the working folder")


def run(session: Session) -> int:
    from imagefab.recipe.loader import list_recipes
    from imagefab.recipe.project import find_shipped_project, open_project
    from imagefab.recipe.start import FIRST_RECIPE, start_project
    from imagefab.toolchains.design import RULES

    arguments = session.arguments
    project = open_project(working_folder() / arguments.folder)
    say = session.progress.say
    written = start_project(project, find_shipped_project(), RULES)
    for path in written:
        say(f"{project.show(path)} written")
    if not written:
        say("nothing to write: all files of a project are there")
    names = list_recipes(project)
    name = FIRST_RECIPE if FIRST_RECIPE in names else names[0]
    say("next:")
    if arguments.folder != "." or arguments.directory is not None:
        say(f"  cd {arguments.folder if arguments.directory is None else project.root}")
    say(f"  imagefab lock {name}      # pins all that goes in: images/{name}/imagefab.lock")
    say(f"  imagefab render {name}    # writes the Dockerfile that people review")
    say(f"  imagefab build {name}     # makes the image, and prints its digest")
    return 0
