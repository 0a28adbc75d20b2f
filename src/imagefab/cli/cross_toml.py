"""`imagefab cross-toml`: the file by which cross uses exactly our images."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json, read_destination
from imagefab.errors import ConfigError, ImagefabError, StaleError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.emit.cross_toml import Entry
    from imagefab.emit.edit import Difference
    from imagefab.emit.file import UserFile
    from imagefab.emit.lint import Remark
    from imagefab.emit.pin import Pin
    from imagefab.recipe.model import Recipe

NAME = "cross-toml"
HELP = "write the pinned images into Cross.toml, and say what is wrong with it; prints name@sha256:…, a line an image"
_FILE = "Cross.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all that have an image to pin")
    parser.add_argument(
        "--cross",
        choices=("0.2.5", "main"),
        help="the cross that reads the file; default: main when the file has what only main takes, else 0.2.5",
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help=f"default: {_FILE} in the current folder")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when the file is not up to date")
    parser.add_argument("--to", metavar="REGISTRY/NAMESPACE", help="where the images are, when not as published")
    parser.add_argument(
        "--local", action="store_true", help="pin what `build --load` put into this machine's Docker or Podman"
    )
    parser.add_argument(
        "--engine", choices=("auto", "docker", "podman"), default="auto", help="with --local: which of the two"
    )
    parser.add_argument(
        "--cargo-config",
        type=Path,
        metavar="FILE",
        help="instead, write linkers and runners into a .cargo/config.toml, for cargo inside an image without cross",
    )
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    if session.arguments.local and session.arguments.to:
        raise UsageError("--local and --to exclude each other")
    if session.arguments.engine != "auto" and not session.arguments.local:
        raise UsageError("--engine says whose local images are meant", hint="with it goes --local")
    if session.arguments.cargo_config is None:
        return _run_cross(session)
    for name in ("cross", "file", "to", "local"):
        if getattr(session.arguments, name):
            raise UsageError(f"--cargo-config and --{name} exclude each other")
    return _run_cargo(session)


# -- Cross.toml -------------------------------------------------------------------------------------------------------


def _run_cross(session: Session) -> int:
    from imagefab.emit.choice import choose_one_each
    from imagefab.emit.cross_toml import list_used, update_cross_toml
    from imagefab.emit.edit import EditError
    from imagefab.emit.file import place_remarks, read_user_file, write_user_file
    from imagefab.emit.profile import PROFILES, guess_profile

    arguments = session.arguments
    file = read_user_file(arguments.file or Path(_FILE))
    if not file.exists and (file.path.parent / _FILE.lower()).exists():
        session.progress.warn(f"there is a {_FILE.lower()}, but cross reads {_FILE}")
    profile = PROFILES[arguments.cross] if arguments.cross else guess_profile(file.data)
    found, left_out = _find_entries(session)
    used = list_used(file.data)
    entries = choose_one_each(found, {} if arguments.recipes else used, file=file.shown)
    _tell(session, entries, left_out)
    custom = {path.stem for path in file.path.parent.glob("*.json")}
    try:
        update = update_cross_toml(file.text, entries, profile, custom=custom)
    except EditError:
        raise _not_editable(file) from None
    if update.is_refused:
        _show_warnings(session, file, update.remarks)
        raise_all([error for remark, error in place_remarks(file, update.remarks) if remark.fatal])
    if update.differences and not arguments.check:
        file = write_user_file(file, update.text)
    _show_warnings(session, file, update.remarks)
    if arguments.json:
        changed = {difference.path[1] for difference in update.differences}
        print_json(
            {
                "file": file.shown,
                "cross": profile.name,
                "changed": bool(changed) and not arguments.check,
                "targets": [_describe_entry(entry, changed=entry.triple in changed) for entry in entries],
                "left_out": [{"recipe": one.recipe.name, "reason": one.error.problem} for one in left_out],
                "remarks": [_describe_remark(error) for _, error in place_remarks(file, update.remarks)],
            }
        )
    if arguments.check:
        # An image that the file names, and of which nobody can say whether it is the right one, is not up to date.
        unknown = [one.error for one in left_out if used.get(one.recipe.target.triple) == one.recipe.name]
        raise_all([*_list_stale(session, file, update.differences), *unknown])
        return 0
    session.progress.say(f"{file.shown} {'written' if update.differences else 'is up to date'}")
    if not arguments.json:
        write_out("".join(f"{entry.pin.reference}\n" for entry in entries))
    return 0


@dataclass(frozen=True, slots=True)
class _LeftOut:
    recipe: Recipe
    error: ImagefabError


def _find_entries(session: Session) -> tuple[list[Entry], list[_LeftOut]]:
    """The entries of the recipes that were named; else of all that have an image, and why the others have none."""
    from imagefab.emit.cross_toml import Entry
    from imagefab.pinning import list_runners

    named = session.arguments.recipes or None
    find = _choose_way(session)
    entries: list[Entry] = []
    left_out: list[_LeftOut] = []
    for recipe in session.recipes(named):
        try:
            pin = find(recipe)
        except (StaleError, UsageError) as error:
            left_out.append(_LeftOut(recipe, error))
            continue
        runners = list_runners(recipe, pin.platforms)
        entries.append(Entry(recipe=recipe.name, triple=recipe.target.triple, pin=pin, runners=runners))
    if named:
        raise_all([one.error for one in left_out])
    if not entries and left_out:
        first = left_out[0].error
        raise type(first)(f"no recipe has an image to pin; {first}", hint=first.hint)
    return entries, left_out


def _tell(session: Session, entries: Sequence[Entry], left_out: Sequence[_LeftOut]) -> None:
    say = session.progress.say
    if left_out:
        say(f"left out, without an image to pin: {', '.join(one.recipe.name for one in left_out)}")
    if session.verbose:
        for one in left_out:
            say(f"  {one.error.problem}")
    if absent := [entry.recipe for entry in entries if not entry.pin.is_there]:
        session.progress.warn(f"not published yet, so cross can pull them when they are: {', '.join(absent)}")


def _choose_way(session: Session) -> Callable[[Recipe], Pin]:
    """How pins are found: by what others can pull, or by what this machine's engine has."""
    from imagefab.pinning import find_local_pin, find_pin

    project, store = session.project, session.store
    if session.arguments.local:
        from imagefab.engines.load import make_loaded_check

        engine = session.arguments.engine
        is_loaded = make_loaded_check(engine)
        return lambda recipe: find_local_pin(project, recipe, store, is_loaded, engine=engine)
    to = read_destination(session.arguments.to)
    return lambda recipe: find_pin(project, recipe, store, session.progress, to=to)


def _describe_entry(entry: Entry, *, changed: bool) -> dict[str, Any]:
    return {
        "target": entry.triple,
        "recipe": entry.recipe,
        "image": entry.pin.reference,
        "digest": str(entry.pin.digest),
        "platforms": [platform.name for platform in entry.pin.platforms],
        "changed": changed,
    }


def _describe_remark(error: ConfigError) -> dict[str, Any]:
    assert error.position is not None
    where = {"line": error.position.line, "column": error.position.column}
    return {**where, "message": error.problem, "hint": error.hint}


def _show_warnings(session: Session, file: UserFile, remarks: Sequence[Remark]) -> None:
    from imagefab.cli.display import print_warning
    from imagefab.emit.file import place_remarks

    for remark, error in place_remarks(file, remarks):
        if not remark.fatal:
            print_warning(error, color=session.arguments.color)


# -- .cargo/config.toml -----------------------------------------------------------------------------------------------


def _run_cargo(session: Session) -> int:
    from imagefab.emit.cargo_config import make_stanza, update_cargo_config
    from imagefab.emit.choice import choose_one_each
    from imagefab.emit.edit import EditError
    from imagefab.emit.file import read_user_file, write_user_file
    from imagefab.factory import design_blueprints

    arguments = session.arguments
    file = read_user_file(arguments.cargo_config)
    found = [
        make_stanza(recipe.name, recipe.target.triple, [dict(one.env) for one in design_blueprints(recipe)])
        for recipe in session.recipes(arguments.recipes or None)
    ]
    stanzas = choose_one_each(found, {}, file=file.shown)
    try:
        text, differences = update_cargo_config(file.text, stanzas)
    except EditError:
        raise _not_editable(file) from None
    if differences and not arguments.check:
        file = write_user_file(file, text)
    if arguments.json:
        print_json(
            {
                "file": file.shown,
                "changed": bool(differences) and not arguments.check,
                "targets": [
                    {"target": one.triple, "recipe": one.recipe, "linker": one.linker, "runner": one.runner}
                    for one in stanzas
                ],
            }
        )
    if arguments.check:
        raise_all(_list_stale(session, file, differences))
        return 0
    session.progress.say(f"{file.shown} {'written' if differences else 'is up to date'}")
    return 0


# -- both -------------------------------------------------------------------------------------------------------------


def _not_editable(file: UserFile) -> ConfigError:
    return ConfigError(
        f"{file.shown} has a target in a form that cannot be edited without touching the rest",
        hint="write that target as a table of its own: [target.TRIPLE]",
    )


def _list_stale(session: Session, file: UserFile, differences: Sequence[Difference]) -> list[ImagefabError]:
    """Every value that differs; what to do stands below the last."""
    from imagefab.emit.file import locate
    from imagefab.recipe.grammar import escape

    errors: list[ImagefabError] = []
    for number, one in enumerate(differences, 1):
        what = f"{'.'.join(one.path[2:])} of {one.path[1]}"
        found = "is missing" if one.found is None else f"is {escape(one.found[:200])}"
        hint = f"run `{_spell(session.arguments)}`" if number == len(differences) else None
        errors.append(
            StaleError(f"{what} {found}, but should be {one.wanted}", position=locate(file, one.path), hint=hint)
        )
    return errors


def _spell(arguments: argparse.Namespace) -> str:
    """The command that writes what was only compared."""
    words = [*arguments.recipes, *(["--local"] if arguments.local else [])]
    if arguments.engine != "auto":
        words += ["--engine", arguments.engine]
    for option in ("cross", "file", "to", "cargo_config"):
        if (value := getattr(arguments, option)) is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    return " ".join(["imagefab", NAME, *words])
