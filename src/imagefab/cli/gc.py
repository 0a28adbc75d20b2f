"""`imagefab gc`: remove everything from the store that no lock of any project refers to."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.printable import escape, format_size

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "gc"
HELP = "remove from the store what no lock of any project needs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only print what would be removed")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.collect import collect

    found = collect(workspace, dry_run=arguments.dry_run)
    gone = f"; no longer there: {_list(found.gone)}" if found.gone else ""
    workspace.progress.say(f"kept what these projects need: {_list(found.roots)}{gone}")
    did = "would free" if arguments.dry_run else "freed"
    workspace.progress.say(f"{did} {format_size(found.freed)} in {workspace.store.root}")
    return 0


def _list(roots: Iterable[Path]) -> str:
    return ", ".join(escape(str(root)) for root in roots)
