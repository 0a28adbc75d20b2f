"""`imagefab build`: recipes into images in the store, and from there to where they are wanted."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, add_allow_file_argument, choose_names, print_json
from imagefab.errors import ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.engines.engine import Engine
    from imagefab.factory import Outcome, Prepared, Workshop
    from imagefab.oci.layer import Layer
    from imagefab.oci.store import Store
    from imagefab.registry.share import LayerShare

NAME = "build"
HELP = "build images into the store; prints name@sha256:…, a line an image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--all", action="store_true", help="all recipes")
    add_engine_arguments(parser)
    add_allow_file_argument(parser)
    parser.add_argument(
        "--platform",
        action="append",
        metavar="P",
        help="a host platform (linux/amd64, linux/arm64), or `all` of the recipe's; default: this machine's",
    )
    parser.add_argument(
        "--load", action="store_true", help="load the images into the engine that is named, else into Docker or Podman"
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help="write the images as an OCI layout folder")
    parser.add_argument(
        "--push-layers", action="store_true", help="give other machines the layers, in `[publish] layers`"
    )
    parser.add_argument("--no-cache", action="store_true", help="build every layer again")
    parser.add_argument(
        "--jobs", type=parse_count, default=os.cpu_count() or 1, metavar="N", help="recipes built at a time"
    )
    parser.add_argument("--json", action="store_true")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("auto", "sandbox", "docker", "podman"), default="auto")
    parser.add_argument(
        "--builder", metavar="NAME", help="a builder of `docker buildx`, in another Docker, a cluster, anywhere"
    )


def _warn_of_stale_dockerfiles(session: Session, prepared: Sequence[Prepared]) -> None:
    """What people reviewed should be what is built."""
    from imagefab.factory import dockerfile_path, render_recipe
    from imagefab.plainfile import has_bytes

    for one in prepared:
        path = dockerfile_path(session.project, one.recipe.name)
        if path.exists() and not has_bytes(path, render_recipe(one).encode()):
            session.progress.warn(
                f"{session.project.show(path)} is not what is built; `imagefab render {one.recipe.name}` writes it anew"
            )


def parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"not a number of jobs: {text!r}")
    return int(text)


def run(session: Session) -> int:
    from imagefab.engines.load import find_local_engine, load_images
    from imagefab.factory import build_all

    arguments = session.arguments
    if arguments.output:
        from imagefab.oci.layout import check_is_free

        check_is_free(arguments.output)
    prepared = session.prepare(choose_names(arguments, NAME))
    _warn_of_stale_dockerfiles(session, prepared)
    workshop = make_workshop(session, no_cache=arguments.no_cache)
    share = _open_share_to_give(session) if arguments.push_layers else None
    local = find_local_engine(arguments.engine) if arguments.load else None
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        session.progress.say(summarise(outcome))
        if local is not None:
            for name, program in load_images(outcome.images, local, session.store, session.progress):
                session.progress.say(f"{program} has {name}")
        if not arguments.json:
            write_out(f"{outcome.images.reference}\n")
        if share is not None:
            _give_layers(session, share, outcome)

    errors = build_all(
        prepared, lambda one: _choose_platforms(arguments.platform, one), workshop, jobs=arguments.jobs, done=done
    )
    if arguments.output and outcomes:
        from imagefab.oci.layout import write_layout

        write_layout([outcome.images for outcome in outcomes], arguments.output, session.store)
    if arguments.json:
        print_json({"images": [describe_outcome(outcome) for outcome in outcomes]})
    raise_all(errors)
    return 0


def _give_layers(session: Session, share: LayerShare, outcome: Outcome) -> None:
    """Those that may be passed on; whoever can pull from there has all that is in them."""
    from imagefab.publishing import count_free_layers

    recipe = outcome.prepared.recipe.name
    plans = {plan.platform.name: plan for plan in outcome.prepared.plans}
    private = session.project.settings.publish_private
    give: list[Layer] = []
    keep = 0
    for image in outcome.images.images:
        count = len(image.layers) if private else count_free_layers(plans[image.platform.name])
        give += image.layers[:count]
        keep += len(image.layers) - count
    if count := share.give(give):
        session.progress.say(f"{recipe}: {count} layers given to {share.name}")
    if keep:
        session.progress.say(
            f"{recipe}: {keep} layers stay here, as what is in them may not be passed on;"
            f" if only you can pull from {share.name}: `[publish] private = true` in imagefab.toml"
        )


def _open_share_to_give(session: Session) -> LayerShare:
    share = session.open_share()
    if share is None:
        raise UsageError(
            "--push-layers to where?", hint="`[publish] layers` in imagefab.toml names a repository; not with --offline"
        )
    return share


def make_workshop(session: Session, *, no_cache: bool = False) -> Workshop:
    from imagefab.factory import Workshop

    store = session.use_store()
    share = None if no_cache else session.open_share()
    return Workshop(
        limits=session.project.settings.limits,
        store=store,
        bring_layers=None if share is None else share.fetch,
        recorded=lambda: session.recorded,
        progress=session.progress,
        engine=choose_once(session, store),
        fetch=session.fetch,
        no_cache=no_cache,
        now=session.now,
        builds_here=session.arguments.builder is None,
    )


def choose_once(session: Session, store: Store) -> Callable[[], Engine]:
    """The engine, chosen when somebody asks for it, and only once; also when there is none."""
    name, builder = session.arguments.engine, session.arguments.builder
    if builder is not None and name not in ("auto", "docker"):
        raise UsageError(f"--builder and --engine {name} exclude each other", hint="builders are buildx's")
    chosen: list[Engine] = []
    failed: list[ImagefabError] = []
    guard = threading.Lock()

    def choose() -> Engine:
        from imagefab.engines.choose import choose_engine

        with guard:
            if not chosen and not failed:
                try:
                    chosen.append(choose_engine(name, store, builder=builder))
                except ImagefabError as error:
                    failed.append(error)
            if failed:
                raise failed[0]
            return chosen[0]

    return choose


def _choose_platforms(asked: list[str] | None, prepared: Prepared) -> list[str]:
    from imagefab.platforms import parse_platform

    if asked is None:
        return [prepared.default_platform]
    if "all" in asked:
        return list(prepared.recipe.platforms)
    wanted = {parse_platform(text).name for text in asked}
    return [name for name in prepared.recipe.platforms if name in wanted] + sorted(
        wanted - set(prepared.recipe.platforms)
    )


def summarise(outcome: Outcome) -> str:
    """One line when done."""
    from imagefab.cli.display import format_size

    layers = {layer.key for image in outcome.images.images for layer in image.layers}
    size = format_size(sum(image.size for image in outcome.images.images))
    if outcome.engine is None:
        return f"{outcome.prepared.recipe.name}: {size}, nothing to build ({outcome.seconds:.2f} s)"
    built = f"{len(outcome.fresh)} of {len(layers)} layers built by {outcome.engine}"
    return f"{outcome.prepared.recipe.name}: {size}, {built} in {outcome.seconds:.1f} s"


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    plans = {plan.platform.name: plan for plan in outcome.prepared.plans}
    platforms = {}
    for image in outcome.images.images:
        layers = zip(plans[image.platform.name].layers, image.layers, strict=True)
        platforms[image.platform.name] = {
            "manifest": str(image.digest),
            "config": str(image.config_digest),
            "size": image.size,
            "cached": not any(layer.key in outcome.fresh for layer in image.layers),
            "layers": [
                {
                    "name": planned.name,
                    "digest": str(layer.digest),
                    "diff_id": str(layer.diff_id),
                    "size": layer.size,
                    "cached": planned.key not in outcome.fresh,
                    "engine": layer.origin.engine if layer.origin else None,
                    "from": layer.origin.place if layer.origin else None,
                }
                for planned, layer in layers
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
