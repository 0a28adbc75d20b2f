"""`imagefab cross-toml`: pin this project's images for cross."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, print_warning, write_out
from imagefab.errors import ConfigError, ImagefabError, StaleError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.cross.cross_toml import Entry
    from imagefab.cross.file import UserFile
    from imagefab.flows.workspace import Workspace
    from imagefab.toml.edit import ValueDifference

NAME = "cross-toml"
HELP = "write pinned images into Cross.toml, lint it, and print name@sha256:… for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all recipes that have an image")
    parser.add_argument(
        "--cross",
        choices=("0.2.5", "main"),
        help="the version of cross that reads the file; default: main if the file uses its features, else 0.2.5",
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="default: Cross.toml in the current folder")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 when the file is not up to date")
    parser.add_argument(
        "--to", metavar="REGISTRY/NAMESPACE", help="where to pull the images from, if not where they were published"
    )
    parser.add_argument(
        "--local", action="store_true", help="pin what `build --load` put into this machine's Docker or Podman"
    )
    parser.add_argument(
        "--engine", choices=("auto", "docker", "podman"), default="auto", help="with --local: which engine"
    )
    parser.add_argument(
        "--cargo-config",
        type=Path,
        metavar="FILE",
        help="write linkers and runners into a .cargo/config.toml instead, for cargo in an image without cross",
    )
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    if arguments.local and arguments.to:
        raise UsageError("--local can't be used with --to")
    if arguments.engine != "auto" and not arguments.local:
        raise UsageError("--engine requires --local")
    if arguments.cargo_config is None:
        return _pin(arguments, workspace)
    for name in ("cross", "file", "to", "local"):
        if getattr(arguments, name):
            raise UsageError(f"--cargo-config can't be used with --{name}")
    return _configure_cargo(arguments, workspace)


# -- Cross.toml --------------------------------------------------------------------------------------------------------


def _pin(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.cross_toml import CROSS_FILE, PinRequest, pin_images

    request = PinRequest(
        recipes=tuple(arguments.recipes) or None,
        file=arguments.file or Path(CROSS_FILE),
        cross=arguments.cross,
        to=shared.read_destination(arguments.to),
        local=arguments.local,
        engine=arguments.engine,
        only_compare=arguments.check,
    )
    pinned = pin_images(workspace, request, lambda problem: print_warning(problem, color=arguments.color))
    if arguments.verbose:
        for one in pinned.left_out:
            workspace.progress.say(f"  {one.error.problem}")
    differences = pinned.update.differences
    if arguments.json:
        changed = {difference.path[1] for difference in differences}
        print_json(
            {
                "file": pinned.file.shown,
                "cross": pinned.profile.name,
                "changed": bool(changed) and not arguments.check,
                "targets": [_describe_entry(entry, changed=entry.triple in changed) for entry in pinned.entries],
                "left_out": [{"recipe": one.recipe.name, "reason": one.error.problem} for one in pinned.left_out],
                "remarks": [_describe_remark(error) for error in pinned.remarks],
            }
        )
    if arguments.check:
        # If a named image can't be compared with the right one, the file is not up to date.
        raise_all([*_list_stale(arguments, pinned.file, differences), *pinned.unknown])
        return 0
    workspace.progress.say(f"{pinned.file.shown} {'written' if differences else 'is up to date'}")
    if not arguments.json:
        write_out("".join(f"{entry.pin.reference}\n" for entry in pinned.entries))
    return 0


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


# -- .cargo/config.toml ------------------------------------------------------------------------------------------------


def _configure_cargo(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.cross_toml import CargoRequest, configure_cargo

    request = CargoRequest(
        recipes=tuple(arguments.recipes) or None, file=arguments.cargo_config, only_compare=arguments.check
    )
    configured = configure_cargo(workspace, request)
    file, differences = configured.file, configured.differences
    if arguments.json:
        print_json(
            {
                "file": file.shown,
                "changed": bool(differences) and not arguments.check,
                "targets": [
                    {"target": one.triple, "recipe": one.recipe, "linker": one.linker, "runner": one.runner}
                    for one in configured.stanzas
                ],
            }
        )
    if arguments.check:
        raise_all(_list_stale(arguments, file, differences))
        return 0
    workspace.progress.say(f"{file.shown} {'written' if differences else 'is up to date'}")
    return 0


# -- both --------------------------------------------------------------------------------------------------------------


def _list_stale(
    arguments: argparse.Namespace, file: UserFile, differences: Sequence[ValueDifference]
) -> list[ImagefabError]:
    """An error for each value that differs, with a hint on the last."""
    from imagefab.cross.file import locate
    from imagefab.printable import escape

    errors: list[ImagefabError] = []
    for number, one in enumerate(differences, 1):
        what = f"{'.'.join(one.path[2:])} of {one.path[1]}"
        found = "is missing" if one.found is None else f"is {escape(one.found[:200])}"
        hint = f"run `{_spell(arguments)}`" if number == len(differences) else None
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
