"""`imagefab check`: is it a good cross image? For recipes, or for any image."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out
from imagefab.cli.run import add_bind_argument, read_binds
from imagefab.cli.session import Session, print_json
from imagefab.emit.printable import make_line
from imagefab.errors import CheckError, ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.check.check import Binds
    from imagefab.check.judge import Report
    from imagefab.check.probe import Row
    from imagefab.engines.foreign import ForeignImage
    from imagefab.factory import Prepared
    from imagefab.platforms import HostPlatform

NAME = "check"
HELP = "the contract of cross and the probes, run inside exactly the built image"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="RECIPE|IMAGE", help="recipes; or an image, or an OCI layout folder"
    )
    parser.add_argument("--all", action="store_true", help="all recipes, as a matrix")
    parser.add_argument("--engine", choices=("auto", "sandbox", "docker", "podman"), default="auto")
    parser.add_argument("--platform", action="append", metavar="P", help="a host platform, or `all` that are built")
    parser.add_argument("--rust", type=Path, metavar="DIR", help="a Rust toolchain (sysroot) with the target's std")
    parser.add_argument(
        "--take",
        type=Path,
        metavar="DIR",
        help="run nothing: take what checks on other machines found, from files checked.toml in that folder",
    )
    add_bind_argument(parser)
    parser.add_argument("--target", metavar="TRIPLE", help="what an image is for, if no label of it says so")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.engines.rust import find_rust

    arguments = session.arguments
    if arguments.all and arguments.names:
        raise UsageError("recipes and --all exclude each other")
    if not arguments.all and not arguments.names:
        raise UsageError("check what?", hint="`imagefab check RECIPE…`, `imagefab check IMAGE`, `imagefab check --all`")
    if arguments.take is not None:
        return _take(session, arguments.take)
    rust, binds = find_rust(arguments.rust), read_binds(arguments.bind)
    found: list[dict[str, Any]] = []
    reports: list[Report] = []
    errors: list[ImagefabError] = []
    for job in _list_jobs(session, rust, binds):
        try:
            for described, report in job:
                found.append(described)
                reports.append(report)
                if not arguments.json and not arguments.all:
                    _print_report(report, described["platform"])
        except ImagefabError as error:
            errors.append(error)
    if arguments.json:
        print_json({"images": found})
    elif arguments.all:
        _print_matrix(reports)
    errors += [_complain(report) for report in reports if not report.is_good]
    raise_all(errors)
    return 0


def _take(session: Session, folder: Path) -> int:
    """What is taken says for itself whether it is good; `publish` looks at that."""
    from imagefab.checking import read_records, take_records

    taken = []
    records = read_records(folder)
    for prepared in session.prepare(session.arguments.names or None):
        platforms = take_records(session.project, prepared, records, session.progress)
        taken.append({"recipe": prepared.recipe.name, "platforms": platforms})
        session.progress.say(f"{prepared.recipe.name}: {', '.join(platforms) or 'nothing to take'}")
    if session.arguments.json:
        print_json({"taken": taken})
    return 0


Found = Iterator[tuple[dict[str, Any], "Report"]]


def _list_jobs(session: Session, rust: Path | None, binds: Binds) -> Iterator[Found]:
    from imagefab.recipe.loader import list_recipes

    names = session.arguments.names
    recipes = list_recipes(session.project)
    ours = [name for name in names if name in recipes]
    others = [name for name in names if name not in recipes]
    if unknown := [name for name in others if not _is_image(name)]:
        # Unknown recipes, with hints.
        session.recipes(unknown)
    for name in others:
        yield _check_foreign(session, name, rust, binds)
    if ours or session.arguments.all:
        for prepared in session.prepare(ours or None):
            yield _check_recipe(session, prepared, rust, binds)


def _is_image(name: str) -> bool:
    from imagefab.oci.parts import is_layout

    return any(mark in name for mark in "/:@") or is_layout(Path(name))


def _check_recipe(session: Session, prepared: Prepared, rust: Path | None, binds: Binds) -> Found:
    """A record says what an image is by itself, so of a check with something bound into it there is none."""
    from imagefab.checking import Checker
    from imagefab.engines.build import find_image
    from imagefab.factory import record_check

    checker = Checker(
        store=session.store,
        progress=session.progress,
        engine=session.arguments.engine,
        limits=session.project.settings.limits,
        rust=rust,
        binds=binds,
    )
    for plan in prepared.choose(_choose_platforms(session, prepared)):
        image = find_image(plan, session.store, session.progress)
        if image is None:
            raise UsageError(
                f"{plan.recipe} is not built for {plan.platform}",
                hint=f"run `imagefab build {plan.recipe} --platform {plan.platform}`",
            )
        report, checked = checker.check(plan, image, budget=prepared.recipe.size_budget)
        if not binds:
            record_check(session.project, plan, checked, session.progress)
        yield _describe(report, plan.platform.name, str(image.digest)), report


def _choose_platforms(session: Session, prepared: Prepared) -> list[str]:
    from imagefab.engines.build import find_image
    from imagefab.platforms import parse_platform

    asked = session.arguments.platform
    if asked is None:
        return [prepared.default_platform]
    if "all" in asked:
        built = [p.platform.name for p in prepared.plans if find_image(p, session.store, session.progress) is not None]
        return built or list(prepared.recipe.platforms)
    return list(dict.fromkeys(parse_platform(text).name for text in asked))


def _choose_platform(session: Session, name: str) -> HostPlatform | None:
    from imagefab.platforms import parse_platform

    asked = session.arguments.platform or []
    if len(asked) > 1 or "all" in asked:
        raise UsageError(f"{name}: images of others are checked for one platform at a time")
    return parse_platform(asked[0]) if asked else None


def _check_foreign(session: Session, name: str, rust: Path | None, binds: Binds) -> Found:
    from imagefab.check.check import check_image, subject_of_image
    from imagefab.checking import capture, scratch
    from imagefab.engines.command import run_in_container
    from imagefab.engines.foreign import find_foreign, open_layout
    from imagefab.oci.parts import is_layout

    def check(image: ForeignImage) -> tuple[dict[str, Any], Report]:
        subject = subject_of_image(name, image.env, image.labels, image.entrypoint, session.arguments.target)
        task = session.progress.start(f"check {name} in {image.engine.name}")
        with scratch(session.store) as folder:
            report = check_image(
                subject,
                image.platform,
                folder,
                lambda command: capture(
                    session.store,
                    lambda output: run_in_container(
                        image.engine, image.name, image.platform, command, session.store, output=output
                    ),
                ),
                rust=rust,
                binds=binds,
            )
        task.finish()
        return _describe(report, image.platform.name, image.id), report

    platform = _choose_platform(session, name)
    if is_layout(Path(name)):
        with open_layout(Path(name), session.store, platform, engine=session.arguments.engine) as image:
            yield check(image)
    else:
        yield check(find_foreign(name, platform, engine=session.arguments.engine))


# -- telling ----------------------------------------------------------------------------------------------------------


def _describe(report: Report, platform: str, digest: str) -> dict[str, Any]:
    return {
        "name": report.name,
        "target": report.triple,
        "platform": platform,
        "digest": digest,
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


def _complain(report: Report) -> CheckError:
    from imagefab.check.probe import Verdict

    broken = report.names(Verdict.FAIL)
    rows = {row.name: row for row in report.rows}
    lines = "\n".join(f"  {name}: {make_line(rows[name].detail)}" for name in broken)
    return CheckError(f"{make_line(report.name)}: {len(broken)} of {len(report.rows)} probes failed:\n{lines}")
