"""`imagefab build`: build recipes into images in the store, and deliver them from there."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.errors import raise_all
from imagefab.printable import format_size

if TYPE_CHECKING:
    from imagefab.flows.build import Outcome
    from imagefab.flows.workspace import Workspace

NAME = "build"
HELP = "build images into the store, and print name@sha256:… for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shared.add_recipes(parser)
    shared.add_engine_and_builder(parser)
    shared.add_allow_file(parser)
    shared.add_platforms(parser, "a host platform (linux/amd64, linux/arm64), or `all`; default: this machine's")
    parser.add_argument(
        "--load",
        action="store_true",
        help="load the images into the engine chosen by --engine, or else into Docker or Podman",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the images as an OCI layout folder")
    parser.add_argument(
        "--push-layers", action="store_true", help="push the layers to `[publish] layers`, for other machines"
    )
    parser.add_argument("--no-cache", action="store_true", help="build every layer again")
    shared.add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.build import BuildRequest, build

    request = BuildRequest(
        recipes=shared.read_recipes(arguments, NAME),
        platforms=shared.read_platforms(arguments),
        engine=shared.read_engine(arguments),
        no_cache=arguments.no_cache,
        jobs=arguments.jobs,
        load=arguments.load,
        output=arguments.output,
        push_layers=arguments.push_layers,
    )
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        workspace.progress.say(summarise(outcome))
        if not arguments.json:
            write_out(f"{outcome.images.reference}\n")

    errors = build(workspace, request, done)
    if arguments.json:
        print_json({"images": [describe_outcome(outcome) for outcome in outcomes]})
    raise_all(errors)
    return 0


def summarise(outcome: Outcome) -> str:
    """One line for when it is done."""
    layers = {layer.key for image in outcome.images.images for layer in image.layers}
    size = format_size(sum(image.size for image in outcome.images.images))
    if outcome.engine is None:
        return f"{outcome.prepared.recipe.name}: {size}, nothing to build ({outcome.seconds:.2f} s)"
    built = f"{len(outcome.fresh)} of {len(layers)} layers built by {outcome.engine}"
    return f"{outcome.prepared.recipe.name}: {size}, {built} in {outcome.seconds:.1f} s"


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    platforms = {}
    for image in outcome.images.images:
        platforms[image.platform.name] = {
            "manifest": str(image.digest),
            "config": str(image.config_digest),
            "size": image.size,
            "cached": not any(layer.key in outcome.fresh for layer in image.layers),
            "layers": [
                {
                    "name": layer.name,
                    "digest": str(layer.digest),
                    "diff_id": str(layer.diff_id),
                    "size": layer.size,
                    "cached": layer.key not in outcome.fresh,
                    "engine": layer.origin.engine if layer.origin else None,
                    "from": layer.origin.place if layer.origin else None,
                }
                for layer in image.layers
            ],
        }
    return {
        "recipe": outcome.prepared.recipe.name,
        "target": outcome.prepared.recipe.target.triple,
        "digest": str(outcome.images.digest),
        "reference": outcome.images.reference,
        "engine": outcome.engine,
        "seconds": round(outcome.seconds, 3),
        "platforms": platforms,
    }
