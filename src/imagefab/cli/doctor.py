"""`imagefab doctor`: what this machine has and lacks for each engine, and the command that mends it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json
from imagefab.errors import ImagefabError

if TYPE_CHECKING:
    from imagefab.engines.engine import Engine, Finding

NAME = "doctor"
HELP = "what this machine has and lacks for each engine, and the command that mends it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.engines.choose import ENGINES
    from imagefab.engines.inspect import inspect_emulation
    from imagefab.platforms import HOST_PLATFORMS

    engines = {name: make() for name, make in ENGINES.items()}
    groups = {name: list(engine.inspect(session.store)) for name, engine in engines.items()}
    isolation = _measure(session, {name: engine for name, engine in engines.items() if _works(groups[name])})
    groups["platforms"] = [inspect_emulation(platform) for platform in HOST_PLATFORMS.values()]
    if session.arguments.json:
        print_json(
            {
                "groups": {
                    name: [{"what": f.what, "ok": f.ok, "detail": f.detail, "fix": f.fix} for f in findings]
                    for name, findings in groups.items()
                },
                "isolation": isolation,
            }
        )
        return 0
    for name, findings in groups.items():
        works = _works(findings)
        write_out(f"{name}{'' if name == 'platforms' else ': works' if works else ': does not work'}\n")
        for finding in findings:
            write_out(f"  {'ok  ' if finding.ok else 'MISS'} {finding.what}: {finding.detail}\n")
            if not finding.ok and finding.fix:
                write_out(f"       mend it: {finding.fix}\n")
    if isolation:
        write_out(f"what a command has around it, measured\n{_format_table(isolation)}")
    return 0


def _works(findings: Sequence[Finding]) -> bool:
    return all(finding.ok for finding in findings)


def _measure(session: Session, engines: Mapping[str, Engine]) -> dict[str, Mapping[str, str]]:
    """Engine → row → what holds in it."""
    from imagefab.engines.isolation import describe_isolation
    from imagefab.engines.measure import measure_isolation

    found = {}
    for name, engine in engines.items():
        try:
            found[name] = describe_isolation(measure_isolation(engine, session.store))
        except ImagefabError as error:
            session.progress.warn(f"{name}: {error.problem}")
    return found


def _format_table(columns: Mapping[str, Mapping[str, str]]) -> str:
    rows = [
        ["", *columns],
        *([row, *(column[row] for column in columns.values())] for row in next(iter(columns.values()))),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"  {line.rstrip()}\n" for line in lines)
