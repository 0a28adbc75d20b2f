"""Write Dockerfiles: those that people review, and one with all its inputs for a build without imagefab."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagefab.errors import StaleError
from imagefab.files.disk import OUTPUT, explain_disk_errors, make_folder, write_atomic
from imagefab.files.plain import has_bytes
from imagefab.flows.inputs import list_wanted
from imagefab.flows.prepare import dockerfile_path, render_recipe
from imagefab.flows.workspace import Workspace
from imagefab.oci.layout import check_is_free
from imagefab.plan.context import write_context
from imagefab.plan.derive import Deriver


def render(workspace: Workspace, recipes: tuple[str, ...] | None, *, only_compare: bool) -> Iterator[Path]:
    """Write the Dockerfiles that are out of date. With `only_compare`, raise StaleError naming them instead."""
    workspace.require_own_project("the recipes that ship with imagefab are already rendered")
    stale = []
    for prepared in workspace.prepare(recipes):
        path = dockerfile_path(workspace.project, prepared.recipe.name)
        text = render_recipe(prepared).encode()
        if has_bytes(path, text):
            continue
        if only_compare:
            stale.append(prepared.recipe.name)
        else:
            write_atomic(path, text, within=workspace.project.root)
            yield path
    if stale:
        raise StaleError(
            f"these Dockerfiles are out of date: {', '.join(stale)}",
            hint=f"run `imagefab render {' '.join(stale)}`",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    recipe: str
    folder: Path
    """A new or empty folder."""
    platforms: tuple[str, ...] = ()
    """Empty means all of the recipe's."""


def lay_out_context(workspace: Workspace, request: ContextRequest) -> int:
    """Write a recipe's Dockerfile and all its verified inputs. Returns the number of files."""
    folder = request.folder
    check_is_free(folder)
    (prepared,) = workspace.prepare([request.recipe])
    plans = prepared.choose_plans(request.platforms, otherwise=prepared.recipe.platforms)
    inputs = [(plan, given) for plan in plans for layer in plan.layers for given in layer.inputs]
    workspace.fetch(list_wanted(prepared, [given for _, given in inputs]))
    make_folder(folder, OUTPUT)
    with _empty_on_error(folder), explain_disk_errors(folder, OUTPUT):
        for plan in plans:
            write_context(
                folder,
                [given for owner, given in inputs if owner is plan],
                epoch=plan.epoch,
                store=workspace.store,
                materialise=Deriver(workspace.store, plan.epoch).materialise,
                link=False,
            )
        (folder / "Dockerfile").write_text(render_recipe(prepared))
    return len(inputs)


@contextmanager
def _empty_on_error(folder: Path) -> Iterator[None]:
    """Empty the folder again unless everything is written."""
    try:
        yield
    except BaseException:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
