"""`imagefab lock`: pin everything that goes into images."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json
from imagefab.errors import ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.flows.lock import LockUpdate
    from imagefab.flows.workspace import Workspace
    from imagefab.lock.staleness import PackageChange

NAME = "lock"
HELP = "pin what goes into images, and into the bases that they share, keeping pins unless --upgrade"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="RECIPE", help="or a base, as bases/BASE; default: all")
    parser.add_argument("--upgrade", action="store_true", help="move pins to what the archives have now")
    parser.add_argument(
        "--allow-downgrade", action="store_true", help="allow older states of archives, and older packages"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when a lock is stale")
    parser.add_argument(
        "--archive",
        action="store_true",
        help="with --check: compare each pin with the archive's signed indexes; exit 4 or 6 if one differs",
    )
    shared.add_allow_file(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.lock import LockRequest, lock

    if arguments.archive and not arguments.check:
        raise UsageError("--archive needs --check", hint="with it goes --check")
    names = tuple(arguments.names) or None
    if arguments.check:
        return _check(arguments, workspace, names)
    request = LockRequest(names=names, upgrade=arguments.upgrade, allow_downgrade=arguments.allow_downgrade)
    errors: list[ImagefabError] = []
    updates: list[LockUpdate] = []
    for one in lock(workspace, request):
        if isinstance(one, ImagefabError):
            errors.append(one)
            continue
        updates.append(one)
        for line in _format_update(one):
            workspace.progress.say(line)
    if arguments.json:
        print_json(
            {
                "bases": [_describe(update) for update in updates if update.base is not None],
                "locks": [_describe(update) for update in updates if update.base is None],
            }
        )
    raise_all(errors)
    return 0


def _check(arguments: argparse.Namespace, workspace: Workspace, names: tuple[str, ...] | None) -> int:
    from imagefab.flows.check_locks import check_locks

    states = check_locks(workspace, names, archive=arguments.archive, allow_downgrade=arguments.allow_downgrade)
    bases: list[dict[str, Any]] = []
    recipes: list[dict[str, Any]] = []
    for state in states:
        result: dict[str, Any] = {"recipe": state.name} if state.base is None else {"base": state.base}
        result["stale"] = bool(state.errors)
        if arguments.archive:
            result["archive"] = state.pins
        (recipes if state.base is None else bases).append(result)
        if state.pins is not None:
            workspace.progress.say(f"{state.name}: {_format_pins(state.pins, arguments.trust_from)}")
    if arguments.json:
        print_json({"bases": bases, "locks": recipes})
    stale = [error for state in states for error in state.errors]
    raise_all([*stale, *(error for state in states for error in state.problems)])
    return 0


def _format_pins(pins: Mapping[str, int], revision: str | None) -> str:
    words = {
        "present": "in the signed indexes",
        "past": "in those of the lock's date",
        "trusted": f"as in {revision}",
        "wrong": "not what is signed",
        "gone": "shown by nothing",
    }
    parts = [f"{pins[name]} {word}" for name, word in words.items() if pins[name] or name == "present"]
    return f"pins: {', '.join(parts)}"


def _format_update(update: LockUpdate) -> list[str]:
    lines = _format_packages(update)
    return lines if update.note is None else [*lines, f"{update.name}: {update.note}"]


def _format_packages(update: LockUpdate) -> list[str]:
    if not update.changed:
        return [] if update.note is not None else [f"{update.name}: unchanged"]
    if update.first:
        return [f"{update.name}: locked, {len(update.packages)} packages"]
    if not update.packages:
        return [f"{update.name}: locked again, with the same packages"]
    changes = dict.fromkeys(str(change) for change in update.packages)
    return [f"{update.name}: {len(update.packages)} packages changed", *(f"  {change}" for change in changes)]


def _describe(update: LockUpdate) -> dict[str, Any]:
    return {
        **({"recipe": update.name} if update.base is None else {"base": update.base}),
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
