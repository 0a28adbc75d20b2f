"""The table of recipes for a README, from check records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.errors import StaleError, UsageError
from imagefab.files.disk import write_atomic
from imagefab.files.plain import BadFileError, read_text
from imagefab.records.checked import Checked, find_floor, find_toolchain, format_probes

BEGIN, END = "<!-- recipes: begin -->", "<!-- recipes: end -->"
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
    rows = [_HEAD, tuple("---" for _ in _HEAD), *(_compose_row(entry) for entry in entries)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def replace_table(text: str, table: str) -> str | None:
    """Replace the table between two comments; None if the text has no such place."""
    pattern = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)
    if not pattern.search(text):
        return None
    return pattern.sub(lambda _: f"{BEGIN}\n{table}{END}\n", text, count=1)


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


def write_table(folder: Path, into: Path, table: str, *, only_compare: bool) -> None:
    """Write the table into a file that has a place for it. With `only_compare`, raise StaleError if it differs."""
    path = folder / into
    try:
        text = read_text(path)
    except BadFileError as error:
        raise UsageError(f"{into}: {error.problem}") from None
    new = replace_table(text, table)
    if new is None:
        raise UsageError(f"{into} has no place for the table", hint=f"a line `{BEGIN}`, and one for its end")
    if new == text:
        return
    if only_compare:
        raise StaleError(f"the table in {into} is out of date", hint=f"run `imagefab list --markdown --into {into}`")
    write_atomic(path, new.encode())
