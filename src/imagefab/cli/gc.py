"""`imagefab gc`: remove everything from the store that no lock of any project refers to, or images from the registry
that no record names."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.cli import arguments as shared
from imagefab.cli.display import write_out
from imagefab.errors import UsageError
from imagefab.printable import escape, format_size

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "gc"
HELP = "remove from the store what no lock of any project needs, or find images on the registry that none names"
_NIGHTS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only print what would be removed")
    parser.add_argument(
        "--registry", action="store_true", help="list images on the registry that no recent published.toml names"
    )
    parser.add_argument(
        "--nights",
        type=shared.read_count,
        metavar="N",
        help=f"keep what the last N versions of each published.toml name (default: {_NIGHTS})",
    )
    parser.add_argument("--delete", action="store_true", help="with --registry: delete them")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    if arguments.registry:
        return _run_on_registry(arguments, workspace)
    if arguments.delete or arguments.nights is not None:
        raise UsageError("--nights and --delete go with --registry")
    from imagefab.flows.collect import collect

    found = collect(workspace, dry_run=arguments.dry_run)
    gone = f"; no longer there: {_list(found.gone)}" if found.gone else ""
    workspace.progress.say(f"kept what these projects need: {_list(found.roots)}{gone}")
    did = "would free" if arguments.dry_run else "freed"
    workspace.progress.say(f"{did} {format_size(found.freed)} in {workspace.store.root}")
    return 0


def _run_on_registry(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.collect_tags import TagsRequest, survey_registry

    if arguments.delete and arguments.dry_run:
        raise UsageError("--delete and --dry-run contradict each other")
    request = TagsRequest(nights=arguments.nights or _NIGHTS, delete=arguments.delete)
    count = 0
    for survey in survey_registry(workspace, request):
        for leftover in survey.leftovers:
            write_out(f"{survey.repository}:{leftover.tag}@{leftover.digest}\n")
        count += len(survey.leftovers)
    if not count:
        workspace.progress.say(f"the last {request.nights} versions of published.toml name all images there")
    elif request.delete:
        workspace.progress.say(f"deleted {count} images; their layers go when the registry collects its garbage")
    else:
        workspace.progress.say(f"no recent published.toml names {count} of the images there; --delete deletes them")
    return 0


def _list(roots: Iterable[Path]) -> str:
    return ", ".join(escape(str(root)) for root in roots)
