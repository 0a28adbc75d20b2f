"""Edit a TOML text that a person wrote: insert or remove one value, and leave every other byte as it is.

tomlkit formats new keys and values. It does not get the whole text, because it would rearrange it: comments end up
under another table, line endings change, arrays of tables are merged. So its output is spliced in at a place that the
text's outline knows, in the form used there already: after the pairs of its table, in the braces of an inline table, or
as one more dotted key. The result is parsed again: it must mean the same as before plus the edit, and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from imagefab.toml.positions import Outline, Statement

Keys = tuple[str, ...]
"""The path to a value: `("target", "aarch64-unknown-linux-musl", "image")`."""

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueDifference:
    """A value that is not what it should be."""

    path: Keys
    wanted: str
    found: str | None
    """None if there is no value."""


class EditError(Exception):
    """The text is written in a way that can't take this value."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value to set; None removes it."""

    path: Keys
    value: str | list[str] | dict[str, Any] | None


def change_text(text: str, changes: Iterable[Change]) -> str:
    """Change values in the text; EditError if that can't be done without touching anything else."""
    mark = text[:1] if text.startswith(_BYTE_ORDER_MARK) else ""
    try:
        return mark + _change(text.removeprefix(mark), changes)
    except RecursionError:
        raise EditError from None


def _change(text: str, changes: Iterable[Change]) -> str:
    wanted = tomllib.loads(text)
    for change in changes:
        value = None if change.value is None else format_value(change.value)
        text = _drop(text, change.path) if value is None else _put(text, change.path, value)
        _apply(wanted, change)
    try:
        found = tomllib.loads(text)
    except ValueError:
        raise EditError from None
    if not _is_same(found, wanted):
        raise EditError
    return text


def list_differences(data: Mapping[str, Any], changes: Iterable[Change]) -> tuple[ValueDifference, ...]:
    """List which values the changes would set, for messages."""
    return tuple(
        ValueDifference(path=change.path, wanted=_say(change.value), found=None if found is None else _say(found))
        for change in changes
        if change.value is not None
        for found in [find_value(data, change.path)]
    )


def _say(value: Any) -> str:
    if isinstance(value, str):
        return value
    return format_value(value) if isinstance(value, (dict, list)) else str(value)


def read_data(text: str) -> dict[str, Any]:
    """Parse a text."""
    return tomllib.loads(text.removeprefix(_BYTE_ORDER_MARK))


def find_value(data: Any, path: Keys) -> Any:
    """Return the value at a path; None if there is none."""
    for key in path:
        if not isinstance(data, dict):
            return None
        data = data.get(key)
    return data


def format_value(value: Any) -> str:
    """Format a value as TOML, on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{format_key(key)} = {format_value(element)}' for key, element in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(format_value, value))}]"
    from tomlkit import item

    text: str = item(value).as_string()
    return text


def format_key(key: str) -> str:
    from tomlkit import key as make_key

    text: str = make_key(key).as_string()
    return text


# -- inserting --------------------------------------------------------------------------------------------------------


def _put(text: str, path: Keys, literal: str) -> str:
    outline = Outline(text)
    if span := outline.span(path):
        return text[: span[0]] + literal + text[span[1] :]
    *parents, key = path
    table = tuple(parents)
    for depth in range(len(table), 0, -1):
        above = table[:depth]
        if span := outline.span(above):
            return _put_in_braces(text, span, path[depth:], literal)
        if above == table and (block := _find_block(outline.statements, above)):
            return _add_line(text, block[-1], f"{format_key(key)} = {literal}")
        dotted = [one for one in outline.statements if _passes(one, above)]
        if dotted and (above == table or not _has_header(outline.statements, above)):
            last = dotted[-1]
            prefix = text[last.start : last.parts[depth - len(last.table)]]
            rest = ".".join(format_key(part) for part in path[depth:])
            return _add_line(text, last, f"{prefix}{rest} = {literal}")
    if not table:
        raise EditError
    return _add_table(text, outline.statements, table, f"{format_key(key)} = {literal}")


def _find_block(statements: list[Statement], table: Keys) -> list[Statement]:
    """Return a table's header and the pairs below it; empty if it has no header."""
    block: list[Statement] = []
    for one in statements:
        if one.is_header and block:
            break
        if block or (one.is_header and one.path == table):
            block.append(one)
    return block


def _passes(statement: Statement, table: Keys) -> bool:
    """Whether a pair's dotted key leads through a table."""
    depth = len(table)
    return len(statement.table) < depth < len(statement.path) and statement.path[:depth] == table


def _has_header(statements: list[Statement], table: Keys) -> bool:
    """Whether the table, or one inside it, has a header, so that another table inside it may have one as well."""
    return any(one.is_header and one.path[: len(table)] == table for one in statements)


def _put_in_braces(text: str, span: tuple[int, int], keys: Keys, literal: str) -> str:
    for key in reversed(keys[1:]):
        literal = f"{{ {format_key(key)} = {literal} }}"
    pair = f"{format_key(keys[0])} = {literal}"
    start, end = span
    if text[start] != "{":
        raise EditError
    inside = text[start + 1 : end - 1]
    if not inside.strip():
        return f"{text[: start + 1]} {pair} {text[end - 1 :]}"
    at = start + 1 + len(inside.rstrip())
    return f"{text[:at]}, {pair}{text[at:]}"


def _add_line(text: str, after: Statement, line: str) -> str:
    """Add a line below a statement, with the same indent."""
    begin = text.rfind("\n", 0, after.start) + 1
    indent = text[begin : after.start]
    return _insert(text, _line_end(text, after.end), (indent if not indent.strip() else "") + line)


def _add_table(text: str, statements: list[Statement], table: Keys, line: str) -> str:
    """Add a new table after its siblings, if it has any, else at the end."""
    header = f"[{'.'.join(format_key(key) for key in table)}]"
    siblings = [n for n, one in enumerate(statements) if _root(one) == table[:1]]
    after = siblings[-1] if siblings else len(statements) - 1
    following = statements[after + 1] if after + 1 < len(statements) else None
    newline = _newline(text, _line_end(text, statements[after].end) if statements else len(text))
    if following is None:
        gap = newline if text.strip() and not _ends_blank(text) else ""
        return _insert(text, len(text), f"{gap}{header}{newline}{line}")
    at = _start_of_comment(text, following.start, _line_end(text, statements[after].end))
    gap = "" if _ends_blank(text[:at]) else newline
    return _insert(text, at, f"{gap}{header}{newline}{line}{newline}")


def _root(statement: Statement) -> tuple[str | int, ...]:
    return (statement.table or statement.path)[:1]


def _start_of_comment(text: str, start: int, lowest: int) -> int:
    """Find the start of the comment right above a statement; else the start of the statement's line."""
    at = text.rfind("\n", 0, start) + 1
    while at > lowest:
        above = text.rfind("\n", 0, at - 1) + 1
        if above < lowest or not text[above:at].lstrip().startswith("#"):
            break
        at = above
    return at


def _insert(text: str, at: int, lines: str) -> str:
    """Insert whole lines at the start of a line, or at the end of a text whose last line may lack a line end."""
    newline = _newline(text, at)
    first = newline if at > 0 and text[at - 1] != "\n" else ""
    return f"{text[:at]}{first}{lines}{newline}{text[at:]}"


def _line_end(text: str, offset: int) -> int:
    """Return where the next line begins."""
    return (text.find("\n", offset) + 1) or len(text)


def _ends_blank(text: str) -> bool:
    """Whether the last line is blank."""
    return text.endswith("\n") and not text[text.rfind("\n", 0, -1) + 1 :].strip()


def _newline(text: str, at: int) -> str:
    """Return the line ending to use there: that of the line above, else of the first line."""
    above = text[:at] if text[:at].endswith("\n") else text[: text.find("\n") + 1]
    return "\r\n" if above.endswith("\r\n") else "\n"


# -- removing ---------------------------------------------------------------------------------------------------------


def _drop(text: str, path: Keys) -> str:
    """Remove the statements that make up a value. Comments stay."""
    for one in reversed(Outline(text).statements):
        if one.path[: len(path)] == path:
            begin, end = text.rfind("\n", 0, one.start) + 1, _line_end(text, one.end)
            rest = text[one.end : end]
            if rest.strip() or text[begin : one.start].strip():
                text = text[: one.start] + rest.lstrip(" \t") + text[end:]
            else:
                text = text[:begin] + text[end:]
    return text


# -- comparing --------------------------------------------------------------------------------------------------------


def _apply(data: dict[str, Any], change: Change) -> None:
    *parents, key = change.path
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise EditError
    if change.value is None:
        data.pop(key, None)
    else:
        data[key] = deepcopy(change.value)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    # NaN is not equal to itself, but its representation is.
    return type(one) is type(other) and (one == other or repr(one) == repr(other))
