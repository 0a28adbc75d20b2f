"""`imagefab verify`: build again from the lock, and compare with the published image, or any other."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.errors import ImagefabError, MismatchError, raise_all

if TYPE_CHECKING:
    from imagefab.flows.verify import Verified
    from imagefab.flows.workspace import Workspace
    from imagefab.oci.compare import ImageDifference

NAME = "verify"
HELP = "rebuild from the lock and compare; exit code 7, with the first layer and files, if something differs"
_MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="+", metavar="RECIPE", help="their names, as in `imagefab list`")
    parser.add_argument(
        "--against",
        metavar="REF",
        help="an image on a registry (name@sha256:… or name:tag), the folder of an OCI layout, or a digest alone; "
        "default: what was published, else what was built here",
    )
    shared.add_engine_and_builder(parser)
    shared.add_allow_file(parser)
    shared.add_platforms(parser, "only that host platform's image")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.verify import VerifyRequest, verify

    request = VerifyRequest(
        recipes=tuple(arguments.recipes),
        against=arguments.against,
        engine=shared.read_engine(arguments),
        platforms=shared.read_platforms(arguments),
    )
    found: list[Verified] = []
    errors: list[ImagefabError] = []
    for one in verify(workspace, request):
        if isinstance(one, ImagefabError):
            errors.append(one)
            continue
        found.append(one)
        if not one.is_same:
            errors.append(_make_error(one))
            continue
        workspace.progress.say(f"{one.recipe}: the same as {one.given.name}, built in {one.seconds:.1f} s")
        if not arguments.json:
            write_out(f"{one.recipe}@{one.given.digest}\n")
    if arguments.json:
        print_json({"images": [_describe(one) for one in found]})
    raise_all(errors)
    return 0


def _make_error(verified: Verified) -> MismatchError:
    lines = [f"{verified.recipe} is not what its lock makes: {verified.given.name}"]
    for one in verified.platforms:
        if one.theirs is None:
            lines.append(f"  {one.platform}: the lock makes {one.mine.digest}")
        elif one.difference is None:
            lines.append(f"  {one.platform}: the same")
        else:
            lines.append(f"  {one.platform}: {format_difference(one.difference)}")
            lines += [f"    {file.path}: {file.what}" for file in one.difference.files[:_MOST_SHOWN]]
            if (more := len(one.difference.files) - _MOST_SHOWN) > 0:
                lines.append(f"    and {more} more")
            lines += [f"    {detail}" for detail in one.difference.details[:_MOST_SHOWN]]
    if all(one.difference is None for one in verified.platforms):
        lines.append(f"  the lock makes {verified.images.digest}")
    return MismatchError(
        "\n".join(make_plain(line) for line in lines),
        hint="`here` is what was built now, `there` the other image; is that from another lock?",
    )


def format_difference(difference: ImageDifference) -> str:
    from imagefab.oci.compare import DifferenceKind

    layer = f"layer {(difference.layer or 0) + 1} ({difference.name})"
    match difference.kind:
        case DifferenceKind.CONTENT:
            count = f", {len(difference.files)} files differ" if difference.files else ""
            return f"the first difference is in {layer}: its content{count}"
        case DifferenceKind.COMPRESSION:
            return f"the first difference is in {layer}: only its compression; all content is the same"
        case DifferenceKind.LAYERS:
            return f"one has more layers, from {layer} on"
        case _:
            return "the layers are the same; the configuration differs"


def _describe(verified: Verified) -> dict[str, Any]:
    return {
        "recipe": verified.recipe,
        "against": verified.given.name,
        "same": verified.is_same,
        "digest": str(verified.images.digest),
        "expected": str(verified.given.digest),
        "platforms": {
            one.platform: {
                "manifest": str(one.mine.digest),
                "expected": None if one.theirs is None else str(one.theirs.digest),
                "difference": None if one.difference is None else describe_difference(one.difference),
            }
            for one in verified.platforms
        },
    }


def describe_difference(difference: ImageDifference) -> dict[str, Any]:
    return {
        "kind": str(difference.kind),
        "layer": difference.layer,
        "name": difference.name,
        "files": [{"path": file.path, "what": file.what} for file in difference.files],
        "details": list(difference.details),
    }


def make_plain(line: str) -> str:
    """Remove terminal escapes from untrusted text."""
    return "".join(character if character.isprintable() else "?" for character in line)
