"""The position of each key, value and statement in a TOML text, for messages and for edits that leave the rest alone.

tomllib returns values without positions. tomlkit keeps layout, but merges interleaved arrays of tables (`[[sources]]`,
`[[run]]`, `[[sources]]`), so its output can't be trusted for positions. This outline reads the text itself. It need not
validate the text, which tomllib has done: it only tells keys and values apart, and stops where it gets lost, which is
also how the start of a broken statement is found.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, replace

Path = tuple[str | int, ...]
"""The path to a value from the top of a document: `("files", 0, "path")`."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{1,2})?'
    r"|'''.*?'''(?:'{1,2})?"
    r'|"(?!"")(?:[^"\\\n]|\\.)*"'
    r"|'(?!'')[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n\"'\[{]+")


def format_path(path: Path) -> str:
    """Format a path like `files[0].path`, for a value without a position."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def locate_offset(text: str, offset: int) -> tuple[int, int]:
    """Return the one-based line and column of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


@dataclass(frozen=True, slots=True)
class _Place:
    key: int
    value: int
    end: int | None = None
    """Where the value ends, if it is written in one piece."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A header or a key/value pair, without the comment after it."""

    start: int
    end: int
    path: Path
    """What it defines."""
    table: Path
    """The table that it is in; for a header, the table itself."""
    parts: tuple[int, ...]
    """The offsets of its key's parts."""
    is_header: bool


class _LostError(Exception):
    """The text is not TOML from here on."""


class Outline:
    """The offsets of all keys and values in a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[Path, _Place] = {}
        self._elements: dict[Path, int] = {}
        self._statements: list[int] = []
        self.statements: list[Statement] = []
        """In order, up to where the text is no longer TOML."""
        with suppress(_LostError, RecursionError):
            self._scan_document()

    def find(self, path: Path, *, on_key: bool = False) -> tuple[int, int] | None:
        """Return the line and column of a path, or of the nearest value around it; None for the whole document."""
        while path:
            if place := self._places.get(path):
                return locate_offset(self._text, place.key if on_key else place.value)
            path, on_key = path[:-1], False
        return None

    def span(self, path: Path) -> tuple[int, int] | None:
        """Return the start and end of a path's value; None if it is spread over several statements."""
        place = self._places.get(path)
        return None if place is None or place.end is None else (place.value, place.end)

    def find_statement(self, offset: int) -> int:
        """Return the start of the statement that an offset is in."""
        index = bisect_right(self._statements, offset)
        return self._statements[index - 1] if index else offset

    def _scan_document(self) -> None:
        table: Path = ()
        offset = 0
        while (offset := self._match(_BLANK, offset)) < len(self._text):
            self._statements.append(offset)
            start = offset
            if is_header := self._text[start] == "[":
                path, parts, offset = self._scan_header(start)
                table = path
            else:
                path, parts, offset = self._scan_pair(table, start)
            self.statements.append(Statement(start, offset, path, table, parts, is_header))

    def _scan_header(self, start: int) -> tuple[Path, tuple[int, ...], int]:
        brackets = 2 if self._text.startswith("[[", start) else 1
        parts, offset = self._scan_key(start + brackets)
        *parents, (name, key) = parts
        path: Path = ()
        for parent, place in parents:
            path = self._enter((*path, parent), place)
        path = (*path, name)
        self._places.setdefault(path, _Place(key, start))
        if brackets == 2:
            index = self._elements.get(path, 0)
            self._elements[path] = index + 1
            path = (*path, index)
            self._places[path] = _Place(key, start)
        return path, tuple(place for _, place in parts), self._expect("]" * brackets, offset)

    def _enter(self, path: Path, key: int) -> Path:
        """Enter a table on the way to another; if it is an array of tables, enter its last element."""
        self._places.setdefault(path, _Place(key, key))
        return (*path, self._elements[path] - 1) if path in self._elements else path

    def _scan_pair(self, table: Path, start: int) -> tuple[Path, tuple[int, ...], int]:
        parts, offset = self._scan_key(start)
        *parents, (name, key) = parts
        for parent, place in parents:
            table = (*table, parent)
            self._places.setdefault(table, _Place(place, place))
        value = self._match(_SPACE, self._expect("=", offset))
        path = (*table, name)
        self._places.setdefault(path, _Place(key, value))
        end = self._scan_value(path, value)
        self._places[path] = replace(self._places[path], end=end)
        return path, tuple(part for _, part in parts), end

    def _scan_key(self, offset: int) -> tuple[list[tuple[str, int]], int]:
        """Return the parts of a dotted key with their offsets, and where the key ends."""
        parts = []
        while True:
            start = self._match(_SPACE, offset)
            end = self._match(_KEY_PART, start)
            parts.append((_decode_key(self._text[start:end]), start))
            offset = self._match(_SPACE, end)
            if not self._text.startswith(".", offset):
                return parts, offset
            offset += 1

    def _scan_value(self, path: Path, start: int) -> int:
        match self._text[start : start + 1]:
            case "[":
                return self._scan_array(path, start)
            case "{":
                return self._scan_inline_table(path, start)
            case '"' | "'":
                return self._match(_STRING, start)
            case _:
                end = self._match(_BARE, start)
                return start + len(self._text[start:end].rstrip())

    def _scan_array(self, path: Path, start: int) -> int:
        offset = self._match(_BLANK, start + 1)
        index = 0
        while not self._text.startswith("]", offset):
            element = (*path, index)
            self._places[element] = _Place(offset, offset)
            offset = self._scan_comma(self._scan_value(element, offset), "]")
            index += 1
        return offset + 1

    def _scan_inline_table(self, path: Path, start: int) -> int:
        offset = self._match(_BLANK, start + 1)
        while not self._text.startswith("}", offset):
            offset = self._scan_comma(self._scan_pair(path, offset)[-1], "}")
        return offset + 1

    def _scan_comma(self, offset: int, end: str) -> int:
        offset = self._match(_BLANK, offset)
        if self._text.startswith(end, offset):
            return offset
        return self._match(_BLANK, self._expect(",", offset))

    def _expect(self, token: str, offset: int) -> int:
        if not self._text.startswith(token, offset):
            raise _LostError
        return offset + len(token)

    def _match(self, pattern: re.Pattern[str], offset: int) -> int:
        match = pattern.match(self._text, offset)
        if match is None:
            raise _LostError
        return match.end()


def _decode_key(raw: str) -> str:
    if raw[0] not in "\"'":
        return raw
    try:
        key: str = tomllib.loads(f"key = {raw}")["key"]
    except ValueError:
        raise _LostError from None
    return key
