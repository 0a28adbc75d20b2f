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
    from imagefab.flows.cross_toml import Pinned
    from imagefab.flows.workspace import Workspace
    from imagefab.toml.edit import ValueDifference

NAME = "cross-toml"
HELP = "write pinned images into Cross.toml, lint it, and print name@sha256:… for each"
_CHANGED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipes",
        nargs="*",
        metavar="RECIPE",
        help="default: what the file names already; for a new file, all recipes that have an image",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="REGISTRY/NAMESPACE",
        help="pin the images in that namespace's catalogue; needs no recipes",
    )
    parser.add_argument("--targets", action="store_true", help="with --from: pin all targets that the file has")
    parser.add_argument("--with-tag", action="store_true", help="with --from: write name:tag@sha256:…")
    parser.add_argument(
        "--key", metavar="KEY", help="with --from: the public key that the catalogue must be signed with (cosign)"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit with 10 if the file changed")
    parser.add_argument(
        "--cross",
        choices=("0.2.5", "main"),
        help="the version of cross that reads the file; default: main if the file uses its features, else 0.2.5",
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help="default: Cross.toml, and cross's tables in Cargo.toml, in the current folder",
    )
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
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    if arguments.local and arguments.to:
        raise UsageError("--local can't be used with --to")
    if arguments.engine != "auto" and not arguments.local:
        raise UsageError("--engine requires --local")
    _refuse_mixture(arguments)
    if arguments.cargo_config is None:
        return _pin(arguments, workspace)
    for name in ("cross", "file", "to", "local"):
        if getattr(arguments, name):
            raise UsageError(f"--cargo-config can't be used with --{name}")
    return _configure_cargo(arguments, workspace)


def _refuse_mixture(arguments: argparse.Namespace) -> None:
    """Refuse options that don't go together."""
    if arguments.source is None:
        for name in ("targets", "with_tag", "key"):
            if getattr(arguments, name):
                raise UsageError(f"--{name.replace('_', '-')} requires --from")
        return
    for name in ("to", "local", "cargo_config"):
        if getattr(arguments, name):
            raise UsageError(f"--from can't be used with --{name.replace('_', '-')}")
    if arguments.targets and arguments.recipes:
        raise UsageError("--targets can't be used with recipes")


# -- Cross.toml --------------------------------------------------------------------------------------------------------


def _pin(arguments: argparse.Namespace, workspace: Workspace) -> int:
    pinned = _pin_from(arguments, workspace) if arguments.source is not None else _pin_recipes(arguments, workspace)
    if arguments.verbose:
        for one in pinned.left_out:
            workspace.progress.say(f"  {one.error.problem}")
    changed = {triple for one in pinned.files for triple in one.changed}
    if arguments.json:
        print_json(
            {
                "file": pinned.files[0].file.shown,
                "files": [one.file.shown for one in pinned.files],
                "cross": pinned.profile.name,
                "changed": bool(changed) and not arguments.check,
                "targets": [_describe_entry(entry, changed=entry.triple in changed) for entry in pinned.entries],
                "left_out": [{"recipe": one.recipe.name, "reason": one.error.problem} for one in pinned.left_out],
                "remarks": [_describe_remark(error) for one in pinned.files for error in one.remarks],
            }
        )
    if arguments.check:
        # If a named image can't be compared with the right one, the file is not up to date.
        stale = [error for one in pinned.files for error in _list_stale(arguments, one.file, one.update.differences)]
        raise_all([*stale, *pinned.unknown])
        return 0
    for written in pinned.files:
        workspace.progress.say(f"{written.file.shown} {'written' if written.update.differences else 'is up to date'}")
    if not arguments.json:
        write_out("".join(f"{entry.pin.reference}\n" for entry in pinned.entries))
    return _CHANGED if changed and arguments.exit_code else 0


def _pin_recipes(arguments: argparse.Namespace, workspace: Workspace) -> Pinned:
    from imagefab.flows.cross_toml import PinRequest, pin_images

    request = PinRequest(
        recipes=tuple(arguments.recipes) or None,
        file=_place_file(arguments),
        cross=arguments.cross,
        to=shared.read_destination(arguments.to),
        local=arguments.local,
        engine=arguments.engine,
        only_compare=arguments.check,
    )
    return pin_images(workspace, request, lambda problem: print_warning(problem, color=arguments.color))


def _pin_from(arguments: argparse.Namespace, workspace: Workspace) -> Pinned:
    from imagefab.flows.from_catalogue import FromRequest, pin_from_catalogue

    namespace = shared.read_destination(arguments.source, option="--from")
    assert namespace is not None
    request = FromRequest(
        namespace=namespace,
        recipes=tuple(arguments.recipes),
        file=_place_file(arguments),
        cross=arguments.cross,
        targets=arguments.targets,
        with_tag=arguments.with_tag,
        key=arguments.key,
        only_compare=arguments.check,
    )
    return pin_from_catalogue(workspace, request, lambda problem: print_warning(problem, color=arguments.color))


def _place_file(arguments: argparse.Namespace) -> Path | None:
    """The file that was named. With -C, it is not the other project's, but one of where the command was started."""
    file: Path | None = arguments.file
    started: Path | None = arguments.started_in
    return file if file is None or started is None else started / file


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
    where = {"file": error.position.file, "line": error.position.line, "column": error.position.column}
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
        path = one.path[len(file.section) :]
        what = f"{'.'.join(path[2:])} of {path[1]}"
        found = "is missing" if one.found is None else f"is {escape(one.found[:200])}"
        hint = f"run `{_spell(arguments)}`" if number == len(differences) else None
        errors.append(
            StaleError(f"{what} {found}, but should be {one.wanted}", position=locate(file, one.path), hint=hint)
        )
    return errors


def _spell(arguments: argparse.Namespace) -> str:
    """The command that writes what was only compared."""
    words = list(arguments.recipes)
    words += [f"--{name.replace('_', '-')}" for name in ("local", "targets", "with_tag") if getattr(arguments, name)]
    if arguments.source is not None:
        words += ["--from", arguments.source]
    if arguments.engine != "auto":
        words += ["--engine", arguments.engine]
    for option in ("cross", "file", "to", "key", "cargo_config"):
        if (value := getattr(arguments, option)) is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    return " ".join(["imagefab", NAME, *words])
