"""`imagefab lock`: pin everything that goes into images."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imagefab.cli.session import Session, add_allow_file_argument, print_json
from imagefab.errors import FetchError, ImagefabError, StaleError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.factory import Prepared
    from imagefab.lock.model import Lock
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
    parser.add_argument(
        "--archive",
        action="store_true",
        help="with --check: each pin is in the archive's signed indexes, with that hash; else exit 4 or 6",
    )
    add_allow_file_argument(parser)
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    arguments = session.arguments
    names = arguments.recipes or None
    if session.project.shipped:
        raise UsageError(
            "no project here: the recipes that ship with imagefab are locked already", hint="`imagefab init` starts one"
        )
    if arguments.archive and not arguments.check:
        raise UsageError("--archive is for locks that are there", hint="with it goes --check")
    return _check(session, names) if arguments.check else _lock(session, names)


def _check(session: Session, names: list[str] | None) -> int:
    from imagefab.factory import check_own_files, prepare_recipe

    errors: list[ImagefabError] = []
    results: list[dict[str, Any]] = []
    good: list[Prepared] = []
    for recipe in session.recipes(names):
        count = len(errors)
        try:
            prepared = prepare_recipe(session.project, recipe)
            good.append(prepared)
            check_own_files(prepared, session.own_files)
        except ImagefabError as error:
            errors.append(error)
        results.append({"recipe": recipe.name, "stale": len(errors) > count})
    if session.arguments.archive:
        found = dict(_confirm(session, good, errors))
        results = [one | {"archive": found.get(one["recipe"])} for one in results]
    if session.arguments.json:
        print_json({"locks": results})
    raise_all(errors)
    return 0


def _confirm(
    session: Session, prepared: Sequence[Prepared], errors: list[ImagefabError]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the archives say of each lock's pins; what is wrong with them goes to `errors`."""
    from imagefab.factory import lock_path
    from imagefab.lock.confirm import confirm_lock, list_problems, require_archives
    from imagefab.sources.debian.archive import ArchiveReader

    with session.fetcher() as fetcher:
        reader = ArchiveReader(fetcher, now=session.now)
        for one in prepared:
            recipe, shown = one.recipe.name, session.project.show(lock_path(session.project, one.recipe.name))
            try:
                require_archives(one.lock, one.blueprints, shown)
                found = confirm_lock(one.lock, reader, reader.open_past, trusted=_find_trusted(session, one.lock))
            except ImagefabError as error:
                errors.append(error)
                continue
            errors += list_problems(found, recipe, shown)
            counts = {name: len(getattr(found, name)) for name in ("present", "past", "trusted", "wrong", "gone")}
            session.progress.say(f"{recipe}: {_format_counts(counts, session.arguments.trust_from)}")
            yield recipe, counts


def _format_counts(counts: Mapping[str, int], revision: str | None) -> str:
    words = {
        "present": "in the signed indexes",
        "past": "in those of the lock's date",
        "trusted": f"as in {revision}",
        "wrong": "not what is signed",
        "gone": "shown by nothing",
    }
    told = [f"{counts[name]} {word}" for name, word in words.items() if counts[name] or name == "present"]
    return f"pins: {', '.join(told)}"


def _find_trusted(session: Session, lock: Lock) -> Lock | None:
    """The lock as the revision has it whose word is taken. What this one moves back since is said."""
    from imagefab.factory import lock_path
    from imagefab.lock.backwards import refuse_older_archives, refuse_older_packages
    from imagefab.lock.file import LOCK_NAME
    from imagefab.lock.text import parse_lock

    folder = lock_path(session.project, lock.recipe).parent.relative_to(session.project.root).as_posix()
    texts = session.read_trusted([LOCK_NAME], below=folder)
    try:
        found = [parse_lock(text, file=name, recipe=lock.recipe) for name, text in texts.items()]
    except StaleError:
        return None
    trusted = found[0] if found else None
    try:
        refuse_older_archives(trusted, lock.archives)
        refuse_older_packages(trusted, lock)
    except FetchError as error:
        session.progress.warn(error.problem)
    return trusted


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
