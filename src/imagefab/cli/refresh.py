"""`imagefab refresh`: the nightly upgrade, build, check, publish and pin, with a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.cli.lock import describe_package
from imagefab.errors import FetchError, ImagefabError, UsageError, list_errors, raise_all

if TYPE_CHECKING:
    from imagefab.ci.report import DeadPin, ImageChange
    from imagefab.flows.publish import PublishRequest
    from imagefab.flows.refresh import Night
    from imagefab.flows.workspace import Workspace

NAME = "refresh"
HELP = "upgrade locks, rebuild and check what changed, look for lost pins, and report; exit code 10 on changes"
_CHANGED = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--all", action="store_true", help="all recipes")
    parser.add_argument("--publish", action="store_true", help="publish and pin what changed")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a Markdown report")
    parser.add_argument(
        "--file",
        type=Path,
        action="append",
        metavar="FILE",
        help="a Cross.toml in which to pin images; default: the project's, if it has one",
    )
    shared.add_engine_and_builder(parser)
    shared.add_allow_file(parser)
    shared.add_jobs(parser)
    parser.add_argument("--to", metavar="REGISTRY/NAMESPACE", help="with --publish: see `imagefab publish`")
    parser.add_argument("--private", action="store_true", help="with --publish: see `imagefab publish`")
    parser.add_argument("--sign-key", metavar="KEY", help="with --publish: see `imagefab publish`")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.refresh import RefreshRequest, refresh

    shared.refuse_both(arguments)
    request = RefreshRequest(
        recipes=tuple(arguments.recipes) or None,
        publish=_read_publish(arguments),
        engine=shared.read_engine(arguments),
        jobs=arguments.jobs,
        report=arguments.report,
        files=None if arguments.file is None else tuple(arguments.file),
    )
    night = refresh(workspace, request)
    if arguments.json:
        print_json(_describe(night))
    else:
        write_out("".join(f"{one.reference or f'{one.recipe}@{one.digest[1]}'}\n" for one in night.changes))
    failures = list(night.failures.errors.values())
    if not (night.has_changed or failures):
        workspace.progress.say(f"nothing new for {night.count} images")
    raise_all([*failures, *map(_make_error, night.dead)])
    return _CHANGED if night.has_changed else 0


def _read_publish(arguments: argparse.Namespace) -> PublishRequest | None:
    from imagefab.flows.publish import PublishRequest

    if arguments.publish:
        to = shared.read_destination(arguments.to)
        return PublishRequest(recipes=None, to=to, private=arguments.private, sign_key=arguments.sign_key)
    for given, option in ((arguments.to, "--to"), (arguments.private, "--private"), (arguments.sign_key, "--sign-key")):
        if given:
            raise UsageError(f"{option} needs --publish", hint="with it goes --publish")
    return None


def _make_error(pin: DeadPin) -> ImagefabError:
    return FetchError(
        f"{pin.reference} is gone: {pin.reason}\nused in {', '.join(pin.places)}",
        hint="build and publish it again, or pin another image",
    )


def _describe(night: Night) -> dict[str, Any]:
    return {
        "changed": night.has_changed,
        "images": [_describe_change(change) for change in night.changes],
        "failed": [
            {"recipe": name, "problem": str(one), "hint": one.hint}
            for name, error in night.failures.errors.items()
            for one in list_errors(error)
        ],
        "dead_pins": list(map(_describe_pin, night.dead)),
        "silent_pins": list(map(_describe_pin, night.silent)),
        "rewritten": list(night.rewritten),
    }


def _describe_change(change: ImageChange) -> dict[str, Any]:
    return {
        "recipe": change.recipe,
        "target": change.target,
        "digest": {"before": change.digest[0], "after": change.digest[1]},
        "reference": change.reference,
        "sizes": {name: {"before": before, "after": after} for name, before, after in change.sizes},
        "probes": dict(change.probes),
        "packages": [describe_package(one) for one in change.packages],
    }


def _describe_pin(pin: DeadPin) -> dict[str, Any]:
    return {"image": pin.reference, "used_in": list(pin.places), "reason": pin.reason}
