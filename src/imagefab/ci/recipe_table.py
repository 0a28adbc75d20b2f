"""The table of recipes for a README, from check records."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.errors import StaleError, UsageError
from imagefab.files.disk import write_atomic
from imagefab.files.plain import BadFileError, read_text
from imagefab.records.checked import Checked, find_floor, find_toolchain, format_probes

RECIPES, CHOICES = "recipes", "choices"
"""The tables' names, which stand in the comments around them."""
_HEAD = ("recipe", "target", "kind", "toolchain", "C library", "binaries need", "runs with", "size", "probes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    recipe: str
    target: str
    kind: str
    runner: str
    libc: str
    checked: Checked | None
    """The last check of the image that the lock makes; None if it was not checked."""


def compose_table(entries: Sequence[TableRow]) -> str:
    return compose_rows([_HEAD, *(_compose_row(entry) for entry in entries)])


def compose_rows(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row is its head."""
    head, *rest = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, tuple("---" for _ in head), *rest))


def mark_place(name: str) -> tuple[str, str]:
    """The comments between which a table stands."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def replace_tables(text: str, tables: Mapping[str, str]) -> str | None:
    """Replace the tables, by name, where the text has places for them; None if it has none."""
    found = False
    for name, table in tables.items():
        begin, end = mark_place(name)
        pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}\n", re.DOTALL)
        new = f"{begin}\n{table}{end}\n"
        text, count = pattern.subn(lambda _, new=new: new, text, count=1)  # type: ignore[misc]
        found = found or count > 0
    return text if found else None


def _compose_row(entry: TableRow) -> tuple[str, ...]:
    checked = entry.checked
    about = (entry.recipe, f"`{entry.target}`", entry.kind)
    if checked is None:
        return (*about, "-", entry.libc, "-", entry.runner, "-", "not checked")
    return (
        *about,
        find_toolchain(checked),
        entry.libc,
        find_floor(checked),
        entry.runner,
        f"{checked.size / 1e6:.0f} MB",
        format_probes(checked),
    )


def write_tables(folder: Path, into: Path, tables: Mapping[str, str], *, only_compare: bool) -> None:
    """Write tables into a file that has places for them. With `only_compare`, raise StaleError if any differs."""
    path = folder / into
    try:
        text = read_text(path)
    except BadFileError as error:
        raise UsageError(f"{into}: {error.problem}") from None
    new = replace_tables(text, tables)
    if new is None:
        lines = " or ".join(f"`{mark_place(name)[0]}`" for name in tables)
        raise UsageError(f"{into} has no place for a table", hint=f"a line {lines}, and one for its end")
    if new == text:
        return
    if only_compare:
        raise StaleError(f"the table in {into} is out of date", hint=f"run `imagefab list --markdown --into {into}`")
    write_atomic(path, new.encode())
