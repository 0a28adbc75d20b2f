"""`imagefab matrix`: the jobs of a CI, one for each recipe and host platform."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json
from imagefab.emit.matrix import FORMATS, GITHUB, GITLAB, JSON, NAMES, RUNNERS
from imagefab.errors import UsageError

NAME = "matrix"
HELP = "print the jobs for a CI's matrix: recipes by host platforms, each with the machine to run on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument(
        "--platform",
        action="append",
        metavar="P",
        help="only that host platform (linux/amd64, linux/arm64); default: all that each recipe has",
    )
    parser.add_argument(
        "--changed-since",
        metavar="REV",
        help="only recipes whose files, bases, locks or Dockerfiles differ from that revision",
    )
    parser.add_argument(
        "--unpublished",
        action="store_true",
        help="only recipes that are not recorded as published to `[publish] to` as they are now",
    )
    parser.add_argument(
        "--runner",
        action="append",
        metavar="P=LABEL",
        default=[],
        help="the machine for a host platform, like linux/arm64=my-label",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=GITHUB,
        help="for GitHub's strategy.matrix (the default), as a child pipeline of GitLab's, as --json, or recipes only",
    )
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.emit.matrix import make_jobs, print_github, print_gitlab, print_names

    arguments = session.arguments
    form = JSON if arguments.json else arguments.format
    jobs = make_jobs(_choose_platforms(session), _read_runners(arguments.runner, form))
    if form == JSON:
        print_json({"jobs": [job.fields for job in jobs]})
    else:
        printers = {GITHUB: print_github, GITLAB: print_gitlab, NAMES: print_names}
        write_out(printers[form](jobs))
    session.progress.say(f"jobs: {len(jobs)}")
    return 0


def _choose_platforms(session: Session) -> dict[str, Sequence[str]]:
    """The recipes that are wanted, and the host platforms of each."""
    from imagefab.platforms import parse_platform

    asked = {parse_platform(text).name for text in session.arguments.platform or ()}
    return {
        recipe.name: [name for name in recipe.platforms if not asked or name in asked]
        for recipe in session.recipes(_choose_names(session))
    }


def _choose_names(session: Session) -> list[str] | None:
    """The names of recipes; None for all."""
    arguments, project = session.arguments, session.project
    names: list[str] | None = arguments.recipes or None
    if project.shipped and (arguments.changed_since is not None or arguments.unpublished):
        raise UsageError("no project here, in which something could have changed", hint="`imagefab init` starts one")
    if arguments.changed_since is not None:
        from imagefab.selecting import is_touched
        from imagefab.sources.revision import list_changed

        changed = list_changed(project.root, arguments.changed_since)
        names = [recipe.name for recipe in session.recipes(names) if is_touched(project, recipe, changed)]
    if arguments.unpublished:
        from imagefab.selecting import is_published

        to = project.settings.publish_to
        if to is None:
            raise UsageError("not published where?", hint="`[publish] to` in imagefab.toml says it")
        prepared = session.prepare(names)
        names = [one.recipe.name for one in prepared if not is_published(project, one, to)]
    return names


def _read_runners(given: Sequence[str], form: str) -> Mapping[str, str]:
    from imagefab.platforms import parse_platform

    runners = dict(RUNNERS[GITLAB if form == GITLAB else GITHUB])
    for text in given:
        platform, mark, label = text.partition("=")
        if not mark or not label:
            raise UsageError(f"--runner: {text!r} names no machine", hint="`--runner linux/arm64=my-label`")
        runners[parse_platform(platform).name] = label
    return runners
