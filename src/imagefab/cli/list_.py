"""`imagefab list`: list the recipes, or print the table of them for a README."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import print_json, write_out
from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.describe import Summary
    from imagefab.flows.workspace import Workspace

NAME = "list"
HELP = "list recipes: target, kind, toolchain, libc and its floor, runner, lock, probes, size, digest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print JSON")
    group.add_argument("--markdown", action="store_true", help="print a table for a README, from checked.toml")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write the table between the markers in a file")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 4 if the file's table is out of date")


_HEAD = (
    "RECIPE",
    "TARGET",
    "KIND",
    "TOOLCHAIN",
    "LIBC",
    "NEEDS",
    "RUNNER",
    "PLATFORMS",
    "LOCK",
    "PROBES",
    "SIZE",
    "DIGEST",
)


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.describe import summarise

    if (arguments.into or arguments.check) and not (arguments.markdown and arguments.into):
        raise UsageError(
            "--into and --check need --markdown", hint="`imagefab list --markdown --into images/README.md`"
        )
    # The table for a README must be the same on every machine.
    rows = [summarise(workspace, recipe, anywhere=arguments.markdown) for recipe in workspace.load_recipes(None)]
    if arguments.json:
        print_json({"recipes": [_describe(row) for row in rows]})
    elif arguments.markdown:
        _write_table(workspace, rows, arguments)
    else:
        _print_rows(rows)
    return 0


def _print_rows(rows: Sequence[Summary]) -> None:
    from imagefab.records.checked import find_floor, find_toolchain, format_probes

    table = [_HEAD]
    for row in rows:
        recipe, checked = row.recipe, row.checked
        size = row.size or (checked.size if checked else None)
        table.append(
            (
                recipe.name,
                recipe.target.triple,
                recipe.kind,
                find_toolchain(checked) if checked else "-",
                str(row.libc),
                find_floor(checked) if checked else "-",
                row.runner,
                ",".join(name.removeprefix("linux/") for name in recipe.platforms),
                row.lock,
                format_probes(checked) if checked else "-",
                f"{size / 1e6:.0f} MB" if size else "-",
                row.digest[:19] if row.digest else "-",
            )
        )
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    for line in table:
        write_out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _write_table(workspace: Workspace, rows: Sequence[Summary], arguments: argparse.Namespace) -> None:
    from imagefab.ci.choice_table import compose_choices
    from imagefab.ci.recipe_table import CHOICES, RECIPES, TableRow, compose_table, write_tables

    entries = [
        TableRow(
            recipe=row.recipe.name,
            target=row.recipe.target.triple,
            kind=row.recipe.kind,
            runner=row.runner,
            libc=str(row.libc),
            checked=row.checked,
        )
        for row in rows
    ]
    if arguments.into is None:
        write_out(compose_table(entries))
    else:
        tables = {RECIPES: compose_table(entries), CHOICES: compose_choices(entries)}
        write_tables(workspace.surroundings.folder, arguments.into, tables, only_compare=arguments.check)


def _describe(row: Summary) -> dict[str, Any]:
    checked = row.checked
    return {
        "recipe": row.recipe.name,
        "description": row.recipe.description,
        "target": row.recipe.target.triple,
        "kind": row.recipe.kind,
        "runner": row.runner,
        "libc": row.libc.name,
        "libc_floor": row.libc.floor,
        "platforms": list(row.recipe.platforms),
        "lock": row.lock,
        "digest": row.digest,
        "size": row.size,
        "checked": None
        if checked is None
        else {
            "ok": checked.is_good,
            "passed": list(checked.passed),
            "failed": list(checked.failed),
            "skipped": list(checked.skipped),
            "facts": dict(checked.facts),
        },
    }
