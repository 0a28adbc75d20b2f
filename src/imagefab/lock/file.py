"""Read and write the files of locks.

images/aarch64-gnu/imagefab.lock      a recipe's own packages, and the checksum of its base's lock
images/bases/trixie/imagefab.lock     what all recipes on `trixie` share
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.files.disk import make_folder, refuse_way_out, write_atomic
from imagefab.files.plain import MOST_GENERATED, BadFileError, NoFileError, has_bytes, read_text
from imagefab.lock.join import join_locks
from imagefab.lock.model import BasePin, Lock, LockedBase, LockFile
from imagefab.lock.text import find_checksum, parse_lock, read_checksum, render_lock
from imagefab.recipe.model import BASES, name_base

LOCK_NAME = "imagefab.lock"

ReadBase = Callable[[str], tuple[str, str | None]]
"""Reads the lock of a base: its name in messages, and its text, or None if there is none."""

_DEEPEST = 32
"""The most bases under a lock: more than a recipe can have."""


def read_lock(path: Path, *, recipe: str, shown: str | None = None) -> Lock:
    """Read a lock with its bases'; StaleError if one is missing or invalid. `shown` is its name in messages."""
    found = find_lock(path, recipe=recipe, shown=shown)
    if found is None:
        raise StaleError(
            f"{recipe} is not locked yet: there is no {shown or path}", hint=f"run `imagefab lock {recipe}`"
        )
    return found


def find_lock(path: Path, *, recipe: str | None = None, shown: str | None = None) -> Lock | None:
    """Read a lock with its bases', or return None if there is no file."""
    shown = shown or str(path)
    file = find_lock_file(path, recipe=recipe, shown=shown)
    return None if file is None else assemble_lock(file, shown, read_bases_beside(path, shown))


def find_lock_file(path: Path, *, recipe: str | None = None, shown: str | None = None) -> LockFile | None:
    """Read the file of a lock by itself, or return None if there is none."""
    recipe, shown = recipe or path.parent.name, shown or str(path)
    text = _find_text(path, shown, f"run `imagefab lock {recipe}`")
    return None if text is None else parse_lock(text, file=shown, recipe=recipe)


def read_bases_beside(path: Path, shown: str) -> ReadBase:
    """A reader of the locks of bases that belong to the lock in a file."""

    def read(base: str) -> tuple[str, str | None]:
        name = place_bases(Path(shown))(base).as_posix()
        return name, _find_text(place_bases(path)(base), name, "run `imagefab lock`")

    return read


def assemble_lock(file: LockFile, shown: str, read_base: ReadBase) -> Lock:
    """Join a lock's file with those of its bases; StaleError if one of them is not what the file was made on."""
    if file.base is None:
        return file.own
    texts: list[tuple[str, str, str]] = []
    name: str | None = file.base.name
    while name is not None:
        place, text = read_base(name)
        if text is None:
            raise StaleError(f"there is no {place}, which locks on the base `{name}` need", hint="run `imagefab lock`")
        texts.insert(0, (name, place, text))
        below = _parse_base(name, place, text).base
        if len(texts) > _DEEPEST:
            raise StaleError(f"{place}: the bases' locks stand on each other in a circle", hint="run `imagefab lock`")
        name = below.name if below is not None else None
    base = join_bases(tuple(texts))
    if base.pin != file.base:
        raise MovedBaseError(
            f"{shown} was made on another state of the base `{file.base.name}` than {texts[-1][1]} has",
            hint=f"run `imagefab lock {file.own.recipe}`",
        )
    return join_locks(base, file.own)


class MovedBaseError(StaleError):
    """The lock of a base is not the one that another lock was made on."""


@lru_cache(16)
def join_bases(texts: tuple[tuple[str, str, str], ...]) -> LockedBase:
    """Join the locks of a chain of bases, root first.

    Each is its name, its file's name in messages, and its text. A chain that many recipes stand on is joined once.
    """
    base: LockedBase | None = None
    for name, place, text in texts:
        file = _parse_base(name, place, text)
        if base is not None and base.pin != file.base:
            raise MovedBaseError(
                f"{place} was made on another state of the base `{base.pin.name}` than its lock has",
                hint=f"run `imagefab lock {name_base(name)}`",
            )
        base = _stack(name, read_checksum(text), file, base)
    assert base is not None
    return base


def _parse_base(name: str, place: str, text: str) -> LockFile:
    file = parse_lock(text, file=place, recipe=name_base(name))
    if file.own.recipe != name_base(name):
        raise StaleError(
            f"{place} is the lock of `{file.own.recipe}`, not of the base `{name}`",
            hint="remove it, then run `imagefab lock`",
        )
    return file


def make_base(name: str, file: LockFile, below: LockedBase | None) -> LockedBase:
    """What locks on a base stand on."""
    return _stack(name, find_checksum(file), file, below)


def _stack(name: str, checksum: Digest, file: LockFile, below: LockedBase | None) -> LockedBase:
    lock = file.own if below is None else join_locks(below, file.own)
    return LockedBase(pin=BasePin(name=name, checksum=checksum), lock=lock)


def make_whole(lock: Lock) -> LockFile:
    """The file of a lock that has the layers of its bases in itself."""
    return LockFile(own=replace(lock, bases=()))


def write_lock(path: Path, file: LockFile) -> bool:
    """Write the lock atomically, unless the file is equal; returns whether it changed."""
    data = render_lock(file).encode()
    if has_bytes(path, data):
        return False
    project = path.parents[3 if file.is_of_base else 2]
    refuse_way_out(path, project)
    make_folder(path.parent)
    write_atomic(path, data, within=project)
    return True


def _find_text(path: Path, shown: str, hint: str) -> str | None:
    try:
        return read_text(path, MOST_GENERATED)
    except NoFileError:
        return None
    except BadFileError as error:
        raise StaleError(f"{shown}: {error.problem}", hint=f"mend or remove it, then {hint}") from None


def place_bases(path: Path) -> Callable[[str], Path]:
    """Where the locks of bases are that belong to the lock in a file."""
    folder = path.parent.parent
    bases = folder if folder.name == BASES else folder / BASES
    return lambda base: bases / base / LOCK_NAME
