"""`imagefab judge`: say what programs need, and whether they start on other systems."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import print_json, write_out
from imagefab.errors import CheckError, ImagefabError, raise_all
from imagefab.printable import make_line

if TYPE_CHECKING:
    from imagefab.check.needs import Needs
    from imagefab.flows.judge import Judged
    from imagefab.flows.workspace import Workspace

NAME = "judge"
HELP = "say what programs need to run: libraries, versions, processor; exit code 8 when it is more than they claim"
_MOST_SYMBOLS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a program, a library or an object file")
    parser.add_argument(
        "--runs-on", metavar="SUITE,…", help="start it in these suites' userlands, under QEMU for other machines"
    )
    parser.add_argument("--glibc", metavar="VERSION", help="the glibc that it must run with; exit code 8 if it can't")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.judge import JudgeRequest, judge_files

    suites = (arguments.runs_on or "").split(",")
    request = JudgeRequest(
        files=tuple(arguments.files),
        runs_on=tuple(dict.fromkeys(suite.strip() for suite in suites if suite.strip())),
        glibc=arguments.glibc,
    )
    errors: list[ImagefabError] = []
    found: list[Judged] = []
    for one in judge_files(workspace, request):
        if isinstance(one, ImagefabError):
            errors.append(one)
            continue
        found.append(one)
        errors += [CheckError(f"{one.file}: {fault}") for fault in one.faults]
        if not arguments.json:
            _print(one)
    if arguments.json:
        print_json({"files": [_describe(one) for one in found]})
    raise_all(errors)
    return 0


def _print(one: Judged) -> None:
    needs = one.needs
    how = "static" if needs.static else needs.kind if needs.kind != "program" else "dynamic"
    write_out(f"{make_line(str(one.file))}: {needs.format}, {needs.machine}, {needs.bits} bits, {how}\n")
    for name, text in [*_list_lines(needs), *((f"on {s.suite}", _format_start(s.works, s.detail)) for s in one.starts)]:
        write_out(f"  {name:<12} {make_line(text)}\n")


def _format_start(works: bool, detail: str) -> str:
    return f"{'starts' if works else 'does not start'}: {detail}"


def _list_lines(needs: Needs) -> list[tuple[str, str]]:
    from imagefab.check.systems import find_gcc, list_distributions, name_windows

    lines = []
    if needs.glibc is not None:
        systems = ", ".join(list_distributions(needs.glibc.version))
        lines.append(("glibc", f"{needs.glibc} or later, for {_name_symbols(needs.glibc.symbols)}"))
        lines.append(("so from", systems or "no release yet"))
    if needs.unversioned:
        lines.append(("glibc", "of an unknown version"))
    if (floor := needs.floors.get("GLIBCXX")) is not None:
        gcc = find_gcc(floor.version)
        lines.append(
            ("libstdc++", f"GLIBCXX_{floor}{f' (GCC {gcc})' if gcc else ''}, for {_name_symbols(floor.symbols)}")
        )
    if needs.interpreter:
        lines.append(("loader", needs.interpreter))
    if needs.libraries:
        lines.append(("imports" if needs.format == "WebAssembly" else "libraries", ", ".join(needs.libraries)))
    if needs.search:
        lines.append(("looks in", ", ".join(needs.search)))
    if needs.cpu:
        lines.append(("processor", needs.cpu))
    if needs.system:
        lines.append(("system", f"{name_windows(needs.system)} or later"))
    return lines


def _name_symbols(symbols: tuple[str, ...]) -> str:
    shown = ", ".join(symbols[:_MOST_SYMBOLS]) or "no symbol"
    return f"{shown} and {len(symbols) - _MOST_SYMBOLS} more" if len(symbols) > _MOST_SYMBOLS else shown


def _describe(one: Judged) -> dict[str, Any]:
    needs = one.needs
    return {
        "file": str(one.file),
        "format": needs.format,
        "machine": needs.machine,
        "bits": needs.bits,
        "kind": needs.kind,
        "static": needs.static,
        "interpreter": needs.interpreter,
        "libraries": list(needs.libraries),
        "search": list(needs.search),
        "glibc": str(needs.glibc) if needs.glibc else None,
        "libstdcxx": str(needs.floors["GLIBCXX"]) if "GLIBCXX" in needs.floors else None,
        "floors": {
            name: {"version": str(floor), "symbols": list(floor.symbols)}
            for name, floor in sorted(needs.floors.items())
        },
        "unversioned": needs.unversioned,
        "cpu": needs.cpu,
        "system": needs.system,
        "runs_on": {start.suite: {"ok": start.works, "detail": start.detail} for start in one.starts},
        "ok": not one.faults,
        "faults": list(one.faults),
    }
