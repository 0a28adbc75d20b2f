"""`imagefab init`: the files of a new project, and what to do next."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab import __version__
from imagefab.cli.session import Session, read_destination, working_folder
from imagefab.emit.requirements import PINNED
from imagefab.emit.workflow import CHOICES, DEFAULT_REGISTRY, GITHUB, GITLAB, NONE, compose_workflows
from imagefab.errors import UsageError
from imagefab.plainfile import MOST_GENERATED, BadFileError, is_there, read_text

if TYPE_CHECKING:
    from imagefab.recipe.project import Project

NAME = "init"
HELP = "start a project: settings, bases, schemas, a first recipe, and what its CI runs; what is there stays as it is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="default: the working folder")
    parser.add_argument(
        "--ci",
        action="append",
        choices=CHOICES,
        help="write workflows for this service, or for none; may be repeated; default: github and gitlab",
    )
    parser.add_argument(
        "--to", metavar="REGISTRY/NAMESPACE", help="where images are to be published, for imagefab.toml and workflows"
    )


def run(session: Session) -> int:
    from imagefab.recipe.loader import list_recipes
    from imagefab.recipe.project import SETTINGS_FILE, find_shipped_project, open_project
    from imagefab.recipe.start import FIRST_RECIPE, start_project
    from imagefab.sources.origin import find_origin
    from imagefab.toolchains.design import RULES

    arguments = session.arguments
    project = open_project(working_folder() / arguments.folder)
    say = session.progress.say
    to = read_destination(arguments.to)
    known = project.settings.publish_to or to
    had_settings = (project.root / SETTINGS_FILE).exists()
    shipped = find_shipped_project()
    services = _choose_services(arguments.ci)
    # Of some, an index has to be asked.
    origin = find_origin(__version__, offline=session.offline or NONE in services)
    workflows = compose_workflows(
        services,
        origin=origin,
        pins=_read_pins(shipped),
        registry=DEFAULT_REGISTRY if known is None else known.partition("/")[0],
    )
    written = start_project(project, shipped, RULES, workflows=workflows, to=to)
    for path in written:
        say(f"{project.show(path)} written")
    if not written:
        say("nothing to write: all files of a project are there")
    if had_settings and to is not None and to != project.settings.publish_to:
        session.progress.warn(
            f"{project.show(project.root / SETTINGS_FILE)} stays as it is; `to` and `layers` under [publish] in it say "
            f"where images go, {known if known != to else 'which is nowhere yet'}"
        )
    if (top := _find_repository(project.root)) is not None and NONE not in (arguments.ci or ()):
        session.progress.warn(
            f"services look for workflows at the top of a repository, which is {top}: move them there, and have their "
            "commands work in this folder, by `imagefab -C`; or start the project there"
        )
    if asking := [path for path in written if path.name == PINNED and origin.requirement is None]:
        session.progress.warn(
            f"{' and '.join(map(project.show, asking))}: name where CI gets imagefab, at FILL IN; {origin.reason}"
        )
    names = list_recipes(project)
    name = FIRST_RECIPE if FIRST_RECIPE in names else names[0]
    say("next:")
    if arguments.folder != "." or arguments.directory is not None:
        say(f"  cd {arguments.folder if arguments.directory is None else project.root}")
    say(f"  imagefab lock {name}      # pins all that goes in: images/{name}/imagefab.lock")
    say(f"  imagefab render {name}    # writes the Dockerfile that people review")
    say(f"  imagefab build {name}     # makes the image, and prints its digest")
    return 0


def _read_pins(shipped: Project) -> str:
    """What this imagefab was tested with."""
    try:
        return read_text(shipped.root / "requirements.txt", MOST_GENERATED)
    except BadFileError:
        return ""


def _find_repository(folder: Path) -> Path | None:
    """The repository that a folder is in, when the folder is not the top of it."""
    folder = folder.resolve()
    if is_there(folder / ".git"):
        return None
    return next((one for one in folder.parents if is_there(one / ".git")), None)


def _choose_services(asked: list[str] | None) -> list[str]:
    if asked is None:
        return [GITHUB, GITLAB]
    if NONE in asked and set(asked) != {NONE}:
        raise UsageError("--ci none and another --ci exclude each other")
    return asked
