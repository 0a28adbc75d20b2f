"""`imagefab init`: write the files of a new project, and say what to do next."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from imagefab.ci.services import CHOICES, GITHUB, GITLAB, NONE
from imagefab.cli import arguments as shared
from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "init"
HELP = "start a project: settings, bases, schemas, a first recipe, CI workflows; existing files stay as they are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help="default: the working folder")
    parser.add_argument(
        "--ci",
        action="append",
        choices=CHOICES,
        help="write workflows for this service, or none; repeatable; default: github and gitlab",
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--to", metavar="REGISTRY/NAMESPACE", help="where images will be published")
    group.add_argument(
        "--uses",
        metavar="REGISTRY/NAMESPACE",
        help="for a Rust project that uses images from there: nightly pins, releases, a toolchain file",
    )


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    if arguments.uses is not None:
        return _use(arguments, workspace)
    from imagefab.flows.start import InitRequest, start

    request = InitRequest(
        folder=workspace.surroundings.folder / arguments.folder,
        services=_choose_services(arguments.ci),
        to=shared.read_destination(arguments.to),
    )
    started = start(workspace, request)
    say, project, name = workspace.progress.say, started.project, started.recipe
    for path in started.written:
        say(f"{project.show(path)} written")
    if not started.written:
        say("nothing to write: the project has all its files")
    for warning in started.warnings:
        workspace.progress.warn(warning)
    say("next:")
    if arguments.folder != "." or arguments.directory is not None:
        say(f"  cd {arguments.folder if arguments.directory is None else project.root}")
    say(f"  imagefab lock {name}      # pins all that goes in: images/{name}/imagefab.lock")
    say(f"  imagefab render {name}    # writes the Dockerfile that people review")
    say(f"  imagefab build {name}     # makes the image, and prints its digest")
    return 0


def _use(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.use import UseRequest, use_images

    namespace = shared.read_destination(arguments.uses, option="--uses")
    assert namespace is not None
    folder = workspace.surroundings.folder / arguments.folder
    used = use_images(
        workspace, UseRequest(folder=folder, services=_choose_services(arguments.ci), namespace=namespace)
    )
    for name in used.written:
        workspace.progress.say(f"{name} written")
    for name in used.kept:
        workspace.progress.say(f"{name} is there already, and stays as it is")
    for warning in used.warnings:
        workspace.progress.warn(warning)
    return 0


def _choose_services(asked: list[str] | None) -> tuple[str, ...]:
    if asked is None:
        return GITHUB, GITLAB
    if NONE in asked and set(asked) != {NONE}:
        raise UsageError("--ci none can't be used with another --ci")
    return tuple(asked)
