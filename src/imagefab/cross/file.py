"""The user's own files: read with positions for error messages, and written atomically.

A replaced file keeps its mode and, if permitted, its owner. A link stays a link, and its target is written.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagefab.cross.remark import Remark
from imagefab.errors import ConfigError, Position
from imagefab.files.disk import DiskError, Remedy, explain_disk_errors, write_atomic
from imagefab.files.plain import BadFileError, read_bytes
from imagefab.printable import escape
from imagefab.toml.document import parse_document
from imagefab.toml.edit import Keys, find_value, read_data
from imagefab.toml.positions import Outline
from imagefab.toml.positions import Path as Place

_USER_FILE = Remedy(
    full="free some space",
    forbidden="the file is replaced as a whole, so its folder must be writable too",
    obstructed="name another file",
)


_MOST_PLACES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFile:
    path: Path
    shown: str
    """The path as shown in messages."""
    text: str = ""
    """With its own line endings; empty if the file does not exist."""
    data: dict[str, Any] = field(default_factory=dict)
    exists: bool = True
    section: Keys = ()
    """Where cross's configuration is in it; empty for all of it."""

    @property
    def cross(self) -> dict[str, Any]:
        """Cross's configuration."""
        found = find_value(self.data, self.section)
        return found if isinstance(found, dict) else {}


def read_user_file(path: Path) -> UserFile:
    """Read a file, which is empty if it does not exist; ConfigError with its position if it can't be read or parsed."""
    shown = escape(str(path))
    try:
        path.lstat()
    except FileNotFoundError:
        return UserFile(path=path, shown=shown, exists=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read: {getattr(error, 'strerror', error)}", position=Position(shown)) from None
    if path.is_symlink() and not path.exists():
        return UserFile(path=path, shown=shown, exists=False)
    try:
        raw = read_bytes(path)
    except BadFileError as error:
        raise ConfigError(error.problem, position=Position(shown)) from None
    document = parse_document(raw, path, shown)
    return UserFile(path=path, shown=shown, text=raw.decode(), data=document.data)


def write_user_file(file: UserFile, text: str) -> UserFile:
    """Replace the file's text; DiskError if that is not possible, leaving the file unchanged."""
    try:
        path = file.path.resolve()
    except RuntimeError:
        raise DiskError(f"{file.shown} is a symbolic link to itself", hint=_USER_FILE.obstructed) from None
    with explain_disk_errors(file.path, _USER_FILE, every=True):
        before = path.stat() if path.exists() else None
        if before is not None and not os.access(path, os.W_OK):
            raise DiskError(f"{file.shown} is not writable", hint="change its mode, or name another file")
        if not file.path.is_symlink():
            path.parent.mkdir(exist_ok=True)
        mode = 0o644 if before is None else stat.S_IMODE(before.st_mode)
        write_atomic(path, text.encode(), mode, remedy=_USER_FILE)
        if before is not None and hasattr(os, "geteuid") and os.geteuid() == 0:
            with contextlib.suppress(OSError):
                os.chown(path, before.st_uid, before.st_gid)
    return replace(file, text=text, data=read_data(text), exists=True)


def locate(file: UserFile, path: Place, *, on_key: bool = False) -> Position:
    """Return the position of a value or a key, or of the nearest thing around it if it is not there."""
    return _locate(_outline(file), file, path, on_key=on_key)


def _outline(file: UserFile) -> Outline:
    return Outline(file.text.removeprefix("\ufeff"))


def _locate(outline: Outline, file: UserFile, path: Place, *, on_key: bool) -> Position:
    return Position(file.shown, *(outline.find(path, on_key=on_key) or ()))


def place_remarks(file: UserFile, remarks: Iterable[Remark]) -> list[tuple[Remark, ConfigError]]:
    """Return each remark with its message and position, in their order in the file."""
    outline = _outline(file)
    placed = [(one, _locate(outline, file, one.path, on_key=one.on_key)) for one in remarks]
    placed.sort(key=lambda pair: (pair[1].line or 0, pair[1].column or 0))
    return [(one, ConfigError(one.text, position=position, hint=one.hint)) for one, position in placed]


def group_remarks(placed: Iterable[tuple[Remark, ConfigError]]) -> list[tuple[Remark, ConfigError]]:
    """Return one remark for each group, with the other places that it is about. People read the same only once."""
    found: dict[object, tuple[Remark, ConfigError]] = {}
    others: dict[object, list[str]] = {}
    for number, (remark, error) in enumerate(placed):
        key = remark.group or number
        if key in found:
            others.setdefault(key, []).append(_format_place(error))
        else:
            found[key] = (remark, error)
    return [
        (remark, error if key not in others else _mention(error, others[key])) for key, (remark, error) in found.items()
    ]


def _format_place(error: ConfigError) -> str:
    """Line and column: the file is that of the first."""
    place = error.position
    return "" if place is None else ":".join(str(part) for part in (place.line, place.column) if part is not None)


def _mention(error: ConfigError, places: list[str]) -> ConfigError:
    shown = ", ".join(dict.fromkeys(places[:_MOST_PLACES]))
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return ConfigError(f"{error.problem} (the like at {shown}{more})", position=error.position, hint=error.hint)
