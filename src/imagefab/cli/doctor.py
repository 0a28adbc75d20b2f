"""`imagefab doctor`: show what each engine needs on this machine, and the command that installs it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from imagefab.cli.display import print_json, write_out

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "doctor"
HELP = "show what each engine needs on this machine, and the command that installs it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.inspect import inspect, works

    found = inspect(workspace)
    groups = {**found.engines, "platforms": found.platforms}
    if arguments.json:
        print_json(
            {
                "groups": {
                    name: [{"what": f.what, "ok": f.ok, "detail": f.detail, "fix": f.fix} for f in findings]
                    for name, findings in groups.items()
                },
                "isolation": found.isolation,
                "advice": list(found.advice),
            }
        )
        return 0
    for name, findings in groups.items():
        is_engine = name in found.engines
        write_out(f"{name}{'' if not is_engine else ': works' if works(findings) else ': does not work'}\n")
        for finding in findings:
            write_out(f"  {'ok  ' if finding.ok else 'MISS'} {finding.what}: {finding.detail}\n")
            if not finding.ok and finding.fix:
                write_out(f"       fix: {finding.fix}\n")
    if found.advice:
        write_out("".join(["builds with cross\n", *(f"  note {line}\n" for line in found.advice)]))
    if found.isolation:
        write_out(f"isolation of commands, as measured\n{_format_table(found.isolation)}")
    return 0


def _format_table(columns: Mapping[str, Mapping[str, str]]) -> str:
    rows = [
        ["", *columns],
        *([row, *(column[row] for column in columns.values())] for row in next(iter(columns.values()))),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"  {line.rstrip()}\n" for line in lines)
