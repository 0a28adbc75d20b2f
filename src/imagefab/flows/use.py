"""Start a Rust project's use of images: workflows for its pins and releases, and its toolchain file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from imagefab import __version__
from imagefab.ci.origin import find_origin
from imagefab.ci.requirements import PINNED
from imagefab.ci.services import GITLAB, NONE
from imagefab.ci.uses import compose_uses
from imagefab.cross.config import CROSS_FILE
from imagefab.cross.file import read_user_file
from imagefab.errors import UsageError
from imagefab.files.disk import make_folder, refuse_way_out, write_atomic
from imagefab.files.plain import MOST_GENERATED, BadFileError, is_there, read_text
from imagefab.flows.workspace import Workspace
from imagefab.recipe.project import find_shipped_project
from imagefab.toml.edit import find_value

_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class UseRequest:
    folder: Path
    services: tuple[str, ...]
    namespace: str
    """Registry and namespace of the images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    written: tuple[str, ...]
    """Paths below the folder."""
    kept: tuple[str, ...]
    """Those that were there already, and stay as they are."""
    warnings: tuple[str, ...]


def use_images(workspace: Workspace, request: UseRequest) -> Used:
    """Write the files that don't exist yet."""
    folder = request.folder
    triples = _list_targets(folder, request.namespace)
    origin = find_origin(__version__, offline=workspace.offline or NONE in request.services)
    found = compose_uses(
        request.services,
        origin=origin,
        pins=_read_pins(),
        namespace=request.namespace,
        app=_find_app(folder),
        triples=triples,
    )
    written, kept = [], []
    for name, text in found:
        path = folder / name
        if os.path.lexists(path):
            kept.append(name)
            continue
        refuse_way_out(path, folder)
        make_folder(path.parent)
        write_atomic(path, text.encode(), within=folder)
        written.append(name)
    warnings = []
    if origin.requirement is None and any(Path(name).name == PINNED for name in written):
        warnings.append(f"{PINNED}: replace FILL IN by a URL that CI can install imagefab from; {origin.reason}")
    if GITLAB in request.services and ".gitlab-ci.yml" in kept:
        warnings.append(".gitlab-ci.yml is yours, and stays: `imagefab init DIR` elsewhere shows the jobs to copy")
    return Used(written=tuple(written), kept=tuple(kept), warnings=tuple(warnings))


def _list_targets(folder: Path, namespace: str) -> list[str]:
    file = read_user_file(folder / CROSS_FILE)
    targets = file.data.get("target")
    if not isinstance(targets, dict) or not targets:
        raise UsageError(
            f"{CROSS_FILE} in {folder} has no targets to release for",
            hint=f"`imagefab cross-toml RECIPE… --from {namespace}` writes them",
        )
    return list(targets)


def _find_app(folder: Path) -> str:
    """The package's name, or else the folder's."""
    file = read_user_file(folder / "Cargo.toml") if is_there(folder / "Cargo.toml") else None
    name = None if file is None else find_value(file.data, ("package", "name"))
    candidates = (name, folder.resolve().name)
    return next((one for one in candidates if isinstance(one, str) and _APP.match(one)), "app")


def _read_pins() -> str:
    """The versions that this imagefab was tested with."""
    try:
        return read_text(find_shipped_project().root / "requirements.txt", MOST_GENERATED)
    except BadFileError:
        return ""
