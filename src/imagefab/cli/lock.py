"""`imagefab lock`: pin everything that goes into images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagefab.cli.session import Session, print_json
from imagefab.errors import ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.lock.staleness import PackageChange
    from imagefab.lock.update import Update

NAME = "lock"
HELP = "write images/<recipe>/imagefab.lock; keeps pins unless --upgrade"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--upgrade", action="store_true", help="move pins to what the archives have now")
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="also to an older state of an archive, or an older package"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when a lock is stale")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    arguments = session.arguments
    names = arguments.recipes or None
    if session.project.shipped:
        raise UsageError(
            "no project here: the recipes that ship with imagefab are locked already", hint="`imagefab init` starts one"
        )
    return _check(session, names) if arguments.check else _lock(session, names)


def _check(session: Session, names: list[str] | None) -> int:
    from imagefab.factory import check_own_files, prepare_recipe

    errors: list[ImagefabError] = []
    results = []
    for recipe in session.recipes(names):
        count = len(errors)
        try:
            check_own_files(prepare_recipe(session.project, recipe))
        except ImagefabError as error:
            errors.append(error)
        results.append({"recipe": recipe.name, "stale": len(errors) > count})
    if session.arguments.json:
        print_json({"locks": results})
    raise_all(errors)
    return 0


def _lock(session: Session, names: list[str] | None) -> int:
    from imagefab.factory import design_blueprints, lock_path, place_error
    from imagefab.lock.update import update_lock
    from imagefab.sources.debian.archive import ArchiveReader

    errors: list[ImagefabError] = []
    updates: list[Update] = []
    with session.fetcher() as fetcher:
        reader = ArchiveReader(fetcher, now=session.now)
        for recipe in session.recipes(names):
            path = lock_path(session.project, recipe.name)
            try:
                update = update_lock(
                    path,
                    session.project.show(path),
                    design_blueprints(recipe),
                    reader,
                    upgrade=session.arguments.upgrade,
                    allow_downgrade=session.arguments.allow_downgrade,
                )
            except ImagefabError as error:
                errors.append(place_error(session.project, recipe, error))
                continue
            updates.append(update)
            _tell(session, update)
    if session.arguments.json:
        print_json({"locks": [_describe(update) for update in updates]})
    raise_all(errors)
    return 0


def _tell(session: Session, update: Update) -> None:
    if not update.changed:
        session.progress.say(f"{update.recipe}: unchanged")
    elif update.first:
        session.progress.say(f"{update.recipe}: locked, {len(update.packages)} packages")
    elif not update.packages:
        session.progress.say(f"{update.recipe}: locked again, with the same packages")
    else:
        session.progress.say(f"{update.recipe}: {len(update.packages)} packages changed")
        for change in dict.fromkeys(str(change) for change in update.packages):
            session.progress.say(f"  {change}")


def _describe(update: Update) -> dict[str, Any]:
    return {
        "recipe": update.recipe,
        "changed": update.changed,
        "packages": [describe_package(change) for change in update.packages],
    }


def describe_package(change: PackageChange) -> dict[str, Any]:
    return {
        "platform": change.platform,
        "name": change.name,
        "architecture": change.architecture,
        "old": change.old,
        "new": change.new,
    }
