"""`imagefab context`: lay out all that a Dockerfile needs, for a build without imagefab."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagefab.cli.session import Session, add_allow_file_argument

NAME = "context"
HELP = "lay out a recipe's Dockerfile and all its inputs, checked, for `docker buildx build --network none DIR`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    add_allow_file_argument(parser)
    parser.add_argument("--platform", action="append", metavar="P", help="default: all of the recipe's")


def run(session: Session) -> int:
    from imagefab.factory import list_wanted, render_recipe
    from imagefab.oci.disk import OUTPUT, explain_disk_errors, make_folder
    from imagefab.oci.layout import check_is_free
    from imagefab.plan.context import write_context
    from imagefab.platforms import parse_platform
    from imagefab.sources.derive import Deriver

    folder: Path = session.arguments.folder
    check_is_free(folder)
    (prepared,) = session.prepare([session.arguments.recipe])
    asked = session.arguments.platform
    names = [parse_platform(text).name for text in asked] if asked else list(prepared.recipe.platforms)
    inputs = [(plan, given) for plan in prepared.choose(names) for layer in plan.layers for given in layer.inputs]
    session.fetch(list_wanted(prepared, [given for _, given in inputs]))
    make_folder(folder, OUTPUT)
    with _empty_on_error(folder), explain_disk_errors(folder, OUTPUT):
        for plan in prepared.choose(names):
            write_context(
                folder,
                [given for owner, given in inputs if owner is plan],
                epoch=plan.epoch,
                store=session.store,
                materialise=Deriver(session.store, plan.epoch).materialise,
                link=False,
            )
        (folder / "Dockerfile").write_text(render_recipe(prepared))
    session.progress.say(f"{folder}: Dockerfile and {len(inputs)} files")
    return 0


@contextmanager
def _empty_on_error(folder: Path) -> Iterator[None]:
    """A folder was new or empty, and is so again when what goes into it did not go in as a whole."""
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
