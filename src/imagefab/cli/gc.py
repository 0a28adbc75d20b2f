"""`imagefab gc`: drop from the store what no lock names, of any project that uses it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from imagefab.cli.display import format_size
from imagefab.cli.session import Session
from imagefab.recipe.grammar import escape

NAME = "gc"
HELP = "drop from the store what no lock names, of this project and all others that use the store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")


def run(session: Session) -> int:
    from imagefab.keeping import count_projects, forget_projects
    from imagefab.oci.collect import collect_garbage
    from imagefab.sources.debian.archive import list_stale_indexes

    store, dry_run = session.store, session.arguments.dry_run
    with store.alone():
        count = count_projects(session.project, session.prepare(None), store, session.progress)
        freed = collect_garbage(store, count.kept, also=list_stale_indexes(store.folder("indexes")), dry_run=dry_run)
        if not dry_run:
            forget_projects(store, count.gone)
    gone = f"; gone and forgotten: {_list(count.gone)}" if count.gone else ""
    session.progress.say(f"kept what the locks name of {_list(count.roots)}{gone}")
    session.progress.say(f"{'would free' if dry_run else 'freed'} {format_size(freed)} in {store.root}")
    return 0


def _list(roots: Iterable[Path]) -> str:
    return ", ".join(escape(str(root)) for root in roots)
