"""imagefab.lock on disk."""

from __future__ import annotations

from pathlib import Path

from imagefab.errors import StaleError
from imagefab.files.disk import make_folder, refuse_way_out, write_atomic
from imagefab.files.plain import MOST_GENERATED, BadFileError, NoFileError, has_bytes, read_text
from imagefab.lock.model import Lock
from imagefab.lock.text import parse_lock, render_lock

LOCK_NAME = "imagefab.lock"


def read_lock(path: Path, *, recipe: str, shown: str | None = None) -> Lock:
    """The lock in that file; StaleError when there is none or when it cannot be believed. `shown` is its name in
    messages."""
    found = find_lock(path, shown=shown)
    if found is None:
        raise StaleError(
            f"{recipe} is not locked yet: there is no {shown or path}", hint=f"run `imagefab lock {recipe}`"
        )
    return found


def find_lock(path: Path, *, shown: str | None = None) -> Lock | None:
    """The lock in that file, or None when there is no file."""
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
    """Write the lock, all of it or nothing; whether that changed the file. An equal file is left alone."""
    data = render_lock(lock).encode()
    if has_bytes(path, data):
        return False
    project = path.parents[2]
    refuse_way_out(path, project)
    make_folder(path.parent)
    write_atomic(path, data, within=project)
    return True
