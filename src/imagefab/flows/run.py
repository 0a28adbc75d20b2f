"""Run a command in an image as the calling user, with a folder mounted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagefab.engines.build import find_image
from imagefab.engines.choose import AUTO
from imagefab.engines.command import hides_image, run_in_image
from imagefab.engines.engine import Command
from imagefab.errors import UsageError
from imagefab.flows.workspace import Workspace
from imagefab.platforms import machine_platform
from imagefab.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    recipe: str
    words: tuple[str, ...]
    """The command."""
    folder: Path
    """Mounted, and the command's working folder."""
    user: tuple[int, int]
    """The calling user and group."""
    terminal: str = "dumb"
    """The terminal's type."""
    engine: str = AUTO
    binds: tuple[tuple[str, str], ...] = ()
    """Other host paths to mount, read-only, and where."""


def run(workspace: Workspace, request: RunRequest) -> int:
    """Run the command and return its exit code."""
    (prepared,) = workspace.prepare([request.recipe])
    (plan,) = prepared.choose_plans([machine_platform().name])
    image = find_image(plan, workspace.store, workspace.progress)
    if image is None:
        raise UsageError(f"{plan.recipe} is not built", hint=f"run `imagefab build {plan.recipe}`")
    here = str(_find_folder(request.folder))
    if hides_image(image, here, workspace.store):
        raise UsageError(
            f"{here} is also a folder of the image",
            hint="change to a folder that the image does not have, or use --mount",
        )
    command = Command(
        argv=request.words,
        env=(*plan.env, ("HOME", "/tmp"), ("TERM", request.terminal)),  # noqa: S108
        cwd=here,
        user=request.user,
        binds=((here, here),),
        read_only_binds=(*request.binds, *_hide_store(workspace.store, here)),
        limits=workspace.project.settings.limits,
    )
    return run_in_image(image, plan.recipe, command, workspace.store, workspace.progress, engine=request.engine)


def _hide_store(store: Store, here: str) -> list[tuple[str, str]]:
    """Mount an empty folder over the store, if it is in the mounted one: what is in a store is believed by builds."""
    root, folder = store.root.resolve(), Path(here)
    if folder.is_relative_to(root):
        raise UsageError(
            f"can't mount {here}: it is in the store {root}", hint="change to another folder, or use --mount"
        )
    if not root.is_relative_to(folder):
        return []
    empty = store.scratch_folder() / "nothing"
    empty.mkdir(exist_ok=True)
    return [(str(empty), str(root))]


def _find_folder(folder: Path) -> Path:
    try:
        folder = folder.resolve(strict=True)
    except OSError as error:
        raise UsageError(f"can't mount {folder}: {error.strerror}") from error
    if not folder.is_dir():
        raise UsageError(f"can't mount {folder}: it is not a folder")
    return folder
