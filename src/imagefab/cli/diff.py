"""`imagefab diff`: what differs between two locks or two images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import print_json, write_out
from imagefab.cli.lock import describe_package
from imagefab.cli.verify import describe_difference, format_difference, make_plain
from imagefab.printable import format_size

if TYPE_CHECKING:
    from imagefab.flows.diff import Comparison, PlatformDifference
    from imagefab.flows.workspace import Workspace

NAME = "diff"
HELP = "compare two recipes, locks, images on a registry or OCI layouts: packages, files, sizes"
_MOST_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "a recipe, a lock, also of a git revision as REV:PATH, an image on a registry, or an OCI layout's folder"
    parser.add_argument("one", metavar="A", help=what)
    parser.add_argument("other", metavar="B", help="the same, or another of these")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.diff import diff

    comparison = diff(workspace, arguments.one, arguments.other)
    if arguments.json:
        print_json(_describe(comparison))
    else:
        _print(comparison)
    return 0


def _print(comparison: Comparison) -> None:
    if comparison.is_same:
        what = "are the same" if comparison.images is not None else "have the same packages; no images were compared"
        write_out(f"{' and '.join(comparison.names)} {what}\n")
        return
    for package in comparison.packages or ():
        write_out(f"{package.platform}: {package}\n")
    for image in comparison.images or ():
        _print_image(image)
    for platform in comparison.only_one:
        write_out(f"{make_plain(platform)}: only one of them has it\n")


def _print_image(image: PlatformDifference) -> None:
    if image.difference is None:
        write_out(f"{image.platform}: the same image\n")
        return
    before, after = image.sizes
    write_out(f"{image.platform}: {format_size(before)} here, {format_size(after)} there\n")
    write_out(f"{image.platform}: {format_difference(image.difference)}\n")
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
