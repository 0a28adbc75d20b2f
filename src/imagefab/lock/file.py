"""Read and write imagefab.lock."""

from __future__ import annotations

from pathlib import Path

from imagefab.errors import StaleError
from imagefab.files.disk import make_folder, refuse_way_out, write_atomic
from imagefab.files.plain import MOST_GENERATED, BadFileError, NoFileError, has_bytes, read_text
from imagefab.lock.model import Lock
from imagefab.lock.text import parse_lock, render_lock

LOCK_NAME = "imagefab.lock"


def read_lock(path: Path, *, recipe: str, shown: str | None = None) -> Lock:
    """Read a lock; StaleError if it is missing or invalid. `shown` is its name in messages."""
    found = find_lock(path, shown=shown)
    if found is None:
        raise StaleError(
            f"{recipe} is not locked yet: there is no {shown or path}", hint=f"run `imagefab lock {recipe}`"
        )
    return found


def find_lock(path: Path, *, shown: str | None = None) -> Lock | None:
    """Read a lock, or return None if there is no file."""
    shown = shown or str(path)
    try:
        text = read_text(path, MOST_GENERATED)
    except NoFileError:
        return None
    except BadFileError as error:
        hint = f"mend or remove it, then run `imagefab lock {path.parent.name}`"
        raise StaleError(f"{shown}: {error.problem}", hint=hint) from None
    return parse_lock(text, file=shown, recipe=path.parent.name)


def write_lock(path: Path, lock: Lock) -> bool:
    """Write the lock atomically, unless the file is equal; returns whether it changed."""
    data = render_lock(lock).encode()
    if has_bytes(path, data):
        return False
    project = path.parents[2]
    refuse_way_out(path, project)
    make_folder(path.parent)
    write_atomic(path, data, within=project)
    return True
