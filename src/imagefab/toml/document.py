"""A TOML file that the user wrote: its values, and its problems with their lines and columns.

tomllib reads it; the outline that knows positions is only made on the error path, so that a build with nothing to do
stays fast.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagefab.errors import Position, RecipeError
from imagefab.files.plain import BadFileError, read_bytes
from imagefab.toml import positions
from imagefab.toml.grammar import Declaration, Problem, Spot, quote

_MOST_ERRORS = 50

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_INCOMPLETE = "the statement that begins here is not complete"
_TWICE = "{key} is given twice"
_EXTENDS = "{key} adds to something that is complete already"

_QUOTE_KEYS = "a key with other characters than A-Z a-z 0-9 _ - needs quotes"

# tomllib's message (a pattern) → our message, and a hint. `{key}` makes the message point at the statement's key.
_SYNTAX: dict[str, tuple[str, str | None]] = {
    "Invalid statement": ("expected a key, a `[table]` or a comment", None),
    "Expected newline or end of document": ("expected the end of the line after the value", None),
    "Expected '=' after a key": ("expected `=` after the key", _QUOTE_KEYS),
    "Invalid initial character for a key": ("expected a key", _QUOTE_KEYS),
    "Cannot overwrite a value": (_TWICE, None),
    "Cannot declare": (_TWICE, "a table is opened once; only `[[arrays]]` repeat"),
    "Duplicate inline table key": ("a key is given twice in one table", None),
    "Cannot (mutate|redefine)": (_EXTENDS, None),
    "Expected ']'": ("expected `]` after the table's name", None),
    "Expected ']]'": ("expected `]]` after the array's name", None),
    "Unclosed array": ("expected `,` or `]`", None),
    "Unclosed inline table": ("expected `,` or `}`", "a table in braces stands on one line"),
    r"(Illegal|Found invalid) character '\\n'": (
        "the string does not end on its line",
        'text of several lines goes between `"""` and `"""`',
    ),
    "(Illegal|Found invalid) character": ("there is a control character in the text", None),
    "Unescaped '": ("unknown escape in a string", "write `\\\\` for a backslash, or put the text between '…'"),
    "Invalid hex value|Escaped character": ("this escape is no Unicode character", None),
    "Invalid date": ("no such date or time", None),
    "Invalid value": ("expected a value", "text needs quotes"),
    "Exceeds the limit": ("a number has too many digits", None),
}


@dataclass(slots=True)
class Document:
    """A file that was read, and the problems found in it."""

    file: str
    """As shown to the user."""
    path: Path
    text: str
    data: dict[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def read(self, node: Declaration) -> Any:
        return node.read(self.data, self.spot())

    def spot(self, *path: str | int) -> Spot:
        return Spot(self.problems, path)

    def errors(self) -> list[RecipeError]:
        """Return its problems with their positions."""
        if not self.problems:
            return []
        outline = positions.Outline(self.text)
        errors = sorted((self._locate(problem, outline) for problem in self.problems[:_MOST_ERRORS]), key=_order)
        if (rest := len(self.problems) - _MOST_ERRORS) > 0:
            errors.append(RecipeError(f"there are {rest} more problems in this file", position=Position(self.file)))
        return errors

    def _locate(self, problem: Problem, outline: positions.Outline) -> RecipeError:
        found = outline.find(problem.path, on_key=problem.on_key)
        if found is None and problem.path:
            text = f"{positions.format_path(problem.path)}: {problem.text}"
            return RecipeError(text, position=Position(self.file), hint=problem.hint)
        return RecipeError(problem.text, position=Position(self.file, *(found or ())), hint=problem.hint)


def _order(error: RecipeError) -> tuple[int, int]:
    position = error.position or Position("")
    return position.line or 0, position.column or 0


def read_document(path: Path, file: str) -> Document:
    """Read a TOML file; RecipeError if it cannot be read or is not TOML."""
    try:
        data = read_bytes(path)
    except BadFileError as error:
        raise RecipeError(error.problem, position=Position(file)) from None
    return parse_document(data, path, file)


def parse_document(data: bytes, path: Path, file: str) -> Document:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        good = error.object[: error.start].decode()
        position = Position(file, *positions.locate_offset(good, len(good)))
        raise RecipeError("this is not UTF-8 text", position=position) from None
    try:
        return Document(file, path, text, tomllib.loads(text))
    except ValueError as error:
        raise _explain_syntax(text, file, str(error)) from None
    except RecursionError:
        raise RecipeError("the values are nested too deeply", position=Position(file)) from None


def _explain_syntax(text: str, file: str, said: str) -> RecipeError:
    """Turn tomllib's error into one of our messages, pointing at what has to be fixed."""
    where = _WHERE.search(said)
    message = said[: where.start()] if where else said
    problem, hint = next(
        (words for pattern, words in _SYNTAX.items() if re.match(pattern, message)), (f"not TOML: {message}", None)
    )
    if where is None and "digits" in problem:
        return RecipeError(problem, position=Position(file))
    offset = _find_offset(text, where)
    if offset == len(text) and "{key}" not in problem:
        problem, hint = _INCOMPLETE, None
    if problem == _INCOMPLETE or "{key}" in problem:
        offset = positions.Outline(text).find_statement(offset)
        problem = problem.replace("{key}", quote(_read_key(text, offset)))
    return RecipeError(problem, position=Position(file, *positions.locate_offset(text, offset)), hint=hint)


def _find_offset(text: str, where: re.Match[str] | None) -> int:
    if where is None or where[1] is None:
        return len(text)
    lines = text.split("\n")
    return sum(len(line) + 1 for line in lines[: int(where[1]) - 1]) + int(where[2]) - 1


def _read_key(text: str, offset: int) -> str:
    """Return the key at the start of a statement, as written."""
    line = text[offset:].partition("\n")[0]
    return line.strip("[").partition("]")[0].strip() if line.startswith("[") else line.partition("=")[0].strip()
