"""`imagefab matrix`: print CI jobs, one for each recipe and host platform."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imagefab.ci.matrix import FORMATS, GITHUB, GITLAB, JSON, NAMES, RUNNERS
from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "matrix"
HELP = "print CI jobs: one for each recipe and host platform, with the machine to run on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    shared.add_platforms(
        parser, "only that host platform (linux/amd64, linux/arm64); default: all that each recipe has"
    )
    parser.add_argument(
        "--changed-since",
        metavar="REV",
        help="only recipes whose files, bases, lock or Dockerfile changed since that revision",
    )
    parser.add_argument(
        "--unpublished",
        action="store_true",
        help="only recipes whose current image is not published to `[publish] to`",
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
        help="a GitHub strategy.matrix (the default), a GitLab child pipeline, JSON, or recipe names",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.ci.matrix import make_jobs, render_github, render_gitlab, render_names
    from imagefab.flows.select import SelectRequest, select

    form = JSON if arguments.json else arguments.format
    request = SelectRequest(
        recipes=tuple(arguments.recipes) or None,
        platforms=shared.read_platforms(arguments),
        changed_since=arguments.changed_since,
        unpublished=arguments.unpublished,
    )
    jobs = make_jobs(select(workspace, request), _read_runners(arguments.runner, form))
    if form == JSON:
        print_json({"jobs": [job.fields for job in jobs]})
    else:
        printers = {GITHUB: render_github, GITLAB: render_gitlab, NAMES: render_names}
        write_out(printers[form](jobs))
    workspace.progress.say(f"jobs: {len(jobs)}")
    return 0


def _read_runners(given: Sequence[str], form: str) -> Mapping[str, str]:
    from imagefab.platforms import parse_platform

    runners = dict(RUNNERS[GITLAB if form == GITLAB else GITHUB])
    for text in given:
        platform, mark, label = text.partition("=")
        if not mark or not label:
            raise UsageError(f"--runner: {text!r} is not P=LABEL", hint="`--runner linux/arm64=my-label`")
        runners[parse_platform(platform).name] = label
    return runners
