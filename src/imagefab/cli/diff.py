"""`imagefab diff`: what differs between two locks or two images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out
from imagefab.cli.lock import describe_package
from imagefab.cli.session import Session, print_json
from imagefab.cli.verify import describe_difference, make_plain, tell_difference

if TYPE_CHECKING:
    from imagefab.comparing import Comparison, PlatformDifference, Side

NAME = "diff"
HELP = "what differs between two recipes, locks, images on a registry, or OCI layouts: packages, files, sizes"
_MOST_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "a recipe, a lock file, an image on a registry, or the folder of an OCI layout"
    parser.add_argument("one", metavar="A", help=what)
    parser.add_argument("other", metavar="B", help="the same, or another of these")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.comparing import compare

    arguments = session.arguments
    one, other = (_open(session, text) for text in (arguments.one, arguments.other))
    session.store.hold()
    comparison = compare(one, other, session.store)
    if arguments.json:
        print_json(_describe(comparison))
    else:
        _print(comparison, one, other)
    return 0


def _open(session: Session, text: str) -> Side:
    from imagefab.comparing import Side, open_path, open_recipe
    from imagefab.recipe.loader import list_recipes
    from imagefab.registry.pull import RegistrySource
    from imagefab.registry.reference import Reference

    if text in list_recipes(session.project):
        (recipe,) = session.recipes([text])
        return open_recipe(session.project, recipe, session.store, session.progress)
    if (found := open_path(Path(text))) is not None:
        return found
    if "/" not in text:
        # An unknown recipe, with its hint.
        session.recipes([text])
    reference = Reference.parse(text)
    source = RegistrySource(reference, session.registries.open(reference.repository.host))
    return Side(name=text, source=source)


def _print(comparison: Comparison, one: Side, other: Side) -> None:
    if comparison.is_same:
        what = "are the same" if comparison.images is not None else "have the same packages; no images were compared"
        write_out(f"{one.name} and {other.name} {what}\n")
        return
    for package in comparison.packages or ():
        write_out(f"{package.platform}: {package}\n")
    for image in comparison.images or ():
        _print_image(image)
    for platform in comparison.only_one:
        write_out(f"{make_plain(platform)}: only one of them has it\n")


def _print_image(image: PlatformDifference) -> None:
    from imagefab.cli.display import format_size

    if image.difference is None:
        write_out(f"{image.platform}: the same image\n")
        return
    before, after = image.sizes
    write_out(f"{image.platform}: {format_size(before)} here, {format_size(after)} there\n")
    write_out(f"{image.platform}: {tell_difference(image.difference)}\n")
    for detail in image.difference.details:
        write_out(f"  {make_plain(detail)}\n")
    for file in image.files[:_MOST_SHOWN]:
        write_out(f"  {make_plain(f'{file.path}: {file.what}')}\n")
    if (more := len(image.files) - _MOST_SHOWN) > 0:
        write_out(f"  and {more} more, which --json lists\n")


def _describe(comparison: Comparison) -> dict[str, Any]:
    return {
        "same": comparison.is_same,
        "packages": None if comparison.packages is None else [describe_package(one) for one in comparison.packages],
        "images": None
        if comparison.images is None
        else {
            one.platform: {
                "sizes": list(one.sizes),
                "difference": None if one.difference is None else describe_difference(one.difference),
                "files": [{"path": file.path, "what": file.what} for file in one.files],
            }
            for one in comparison.images
        },
        "only_one": list(comparison.only_one),
    }
