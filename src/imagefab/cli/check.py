"""`imagefab check`: check that an image is a good cross image, for recipes or any image."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.errors import CheckError, ImagefabError, UsageError, raise_all
from imagefab.printable import make_line

if TYPE_CHECKING:
    from imagefab.check.judge import Report
    from imagefab.check.probe import Row
    from imagefab.flows.check import CheckResult
    from imagefab.flows.workspace import Workspace

NAME = "check"
HELP = "run cross's contract and the probes inside exactly the built image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="RECIPE|IMAGE",
        help="recipes, an image in an engine, or the folder of an OCI layout",
    )
    parser.add_argument("--all", action="store_true", help="check all recipes, and print a matrix")
    shared.add_engine(parser)
    shared.add_platforms(parser, "a host platform, or `all` that are built")
    parser.add_argument("--rust", type=Path, metavar="DIR", help="a Rust toolchain (sysroot) with the target's std")
    parser.add_argument(
        "--take",
        type=Path,
        metavar="DIR",
        help="run nothing, and take over the checked.toml files of other machines from that folder",
    )
    shared.add_bind(parser)
    parser.add_argument("--target", metavar="TRIPLE", help="the target of an image without a label for it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.check import CheckRequest, check

    if arguments.all and arguments.names:
        raise UsageError("--all can't be used with recipes")
    if not arguments.all and not arguments.names:
        raise UsageError(
            "no recipe or image given", hint="`imagefab check RECIPE…`, `imagefab check IMAGE`, `imagefab check --all`"
        )
    names = None if arguments.all else tuple(arguments.names)
    if arguments.take is not None:
        return _take(arguments, workspace, names)
    request = CheckRequest(
        names=names,
        platforms=shared.read_platforms(arguments),
        engine=arguments.engine,
        rust=arguments.rust,
        binds=shared.read_binds(arguments.bind),
        target=arguments.target,
    )
    results: list[CheckResult] = []
    errors: list[ImagefabError] = []
    for one in check(workspace, request):
        if isinstance(one, ImagefabError):
            errors.append(one)
            continue
        results.append(one)
        if not arguments.json and not arguments.all:
            _print_report(one.report, one.platform)
    reports = [result.report for result in results]
    if arguments.json:
        print_json({"images": [_describe(result) for result in results]})
    elif arguments.all:
        _print_matrix(reports)
    raise_all([*errors, *(_make_error(report) for report in reports if not report.is_good)])
    return 0


def _take(arguments: argparse.Namespace, workspace: Workspace, names: tuple[str, ...] | None) -> int:
    """Take results from other machines. Exits with 0 even if some failed: `publish` looks at that."""
    from imagefab.flows.check import take_all

    taken = []
    for recipe, platforms in take_all(workspace, arguments.take, names):
        taken.append({"recipe": recipe, "platforms": platforms})
        workspace.progress.say(f"{recipe}: {', '.join(platforms) or 'nothing to take'}")
    if arguments.json:
        print_json({"taken": taken})
    return 0


def _describe(result: CheckResult) -> dict[str, Any]:
    report = result.report
    return {
        "name": report.name,
        "target": report.triple,
        "platform": result.platform,
        "digest": result.digest,
        "ok": report.is_good,
        "probes": [
            {"name": row.name, "verdict": str(row.verdict), "detail": row.detail, "output": list(row.output)}
            for row in report.rows
        ],
        "facts": dict(report.facts),
    }


def _print_report(report: Report, platform: str) -> None:
    write_out(f"{make_line(report.name)} ({platform}), for {make_line(report.triple) or 'an unknown target'}\n")
    width = max(len(row.name) for row in report.rows)
    for row in report.rows:
        write_out(f"  {row.verdict:<4}  {row.name:<{width}}  {make_line(row.detail)}\n")
        for line in row.output:
            write_out(f"        {'':<{width}}  | {make_line(line)}\n")
    facts = ", ".join(f"{name} {value}" for name, value in report.facts.items())
    write_out(f"  {facts}\n" if facts else "")


def _print_matrix(reports: Sequence[Report]) -> None:
    names = list(dict.fromkeys(row.name for report in reports for row in report.rows))
    marks: list[dict[str, Row]] = [{row.name: row for row in report.rows} for report in reports]
    width = max([len(name) for name in names] + [0])
    columns = [max(len(report.name), 4) for report in reports]
    header = "  ".join(f"{report.name:<{size}}" for report, size in zip(reports, columns, strict=True))
    write_out(f"{'':<{width}}  {header.rstrip()}\n")
    for name in names:
        cells = [
            f"{str(mark[name].verdict) if name in mark else '-':<{size}}"
            for mark, size in zip(marks, columns, strict=True)
        ]
        write_out(f"{name:<{width}}  {'  '.join(cells).rstrip()}\n")


def _make_error(report: Report) -> CheckError:
    from imagefab.check.probe import Verdict

    broken = report.names(Verdict.FAIL)
    rows = {row.name: row for row in report.rows}
    lines = "\n".join(f"  {name}: {make_line(rows[name].detail)}" for name in broken)
    return CheckError(f"{make_line(report.name)}: {len(broken)} of {len(report.rows)} probes failed:\n{lines}")
