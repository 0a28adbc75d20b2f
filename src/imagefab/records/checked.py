"""images/<recipe>/checked.toml: the results of the last check of each host platform's image.

It has no times or durations, so checking the same image again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.check.probe import Verdict
from imagefab.digest import Digest
from imagefab.files.disk import DiskError, write_atomic
from imagefab.files.plain import BadFileError, NoFileError, read_text
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.recipe.project import Project
from imagefab.toml.record import Record, RecordError, parse_record

if TYPE_CHECKING:
    from imagefab.check.judge import Report

FORMAT = 2
CHECKED_NAME = "checked.toml"
_TOOLCHAINS = ("zig", "emscripten", "gcc", "clang")
_NAME = re.compile(r"[A-Za-z0-9+._-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The results for one host platform."""

    plan: Digest
    """The key of the plan that the image was made from. If it changes, the record is out of date."""
    manifest: Digest
    size: int
    """The image's compressed size."""
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    facts: Mapping[str, str]

    @property
    def is_good(self) -> bool:
        return not self.failed


def make_checked(report: Report, *, plan: Digest, manifest: Digest, size: int) -> Checked:
    """Make a record that is the same on every machine: it ignores whether there was a Rust toolchain to try."""
    names = {verdict: [n for n in report.names(verdict) if n != "rust"] for verdict in (Verdict.PASS, Verdict.SKIP)}
    return Checked(
        plan=plan,
        manifest=manifest,
        size=size,
        passed=tuple(names[Verdict.PASS]),
        failed=tuple(report.names(Verdict.FAIL)),
        skipped=tuple(names[Verdict.SKIP]),
        facts=dict(report.facts),
    )


def find_floor(checked: Checked) -> str:
    """The oldest C library that programs linked by the probes run with."""
    floor = checked.facts.get("glibc-floor")
    return f"glibc {floor}" if floor else "-"


def find_toolchain(checked: Checked) -> str:
    """The compiler and the version that it reports."""
    return next((f"{name} {checked.facts[name]}" for name in _TOOLCHAINS if name in checked.facts), "-")


def format_probes(checked: Checked) -> str:
    if checked.failed:
        return f"fails: {', '.join(checked.failed)}"
    told = f"{len(checked.passed)} pass"
    return f"{told}, not tried: {', '.join(checked.skipped)}" if checked.skipped else told


def render_checked(recipe: str, found: Mapping[str, Checked]) -> str:
    lines = [f"# Written by `imagefab check {recipe}`; do not edit.", f"format = {FORMAT}"]
    for platform in sorted(found):
        one = found[platform]
        lines += ["", f'[platforms."{platform}"]', f'plan = "{one.plan}"', f'manifest = "{one.manifest}"']
        lines.append(f"size = {one.size}")
        for verdict in ("passed", "failed", "skipped"):
            lines.append(f"{verdict} = [{', '.join(_quote(name) for name in getattr(one, verdict))}]")
        lines += [f"facts.{name} = {_quote(one.facts[name])}" for name in sorted(one.facts)]
    return "\n".join(lines) + "\n"


def read_checked(text: str) -> dict[str, Checked]:
    """Read a record; empty if it is unreadable or in another format, as checking again rewrites it."""
    try:
        record = parse_record(text)
        if record.number("format") != FORMAT:
            return {}
        return {name: _read_one(one) for name, one in record.tables("platforms")}
    except RecordError:
        return {}


def _read_one(record: Record) -> Checked:
    return Checked(
        plan=record.digest("plan"),
        manifest=record.digest("manifest"),
        size=record.number("size"),
        passed=record.texts("passed", _NAME),
        failed=record.texts("failed", _NAME),
        skipped=record.texts("skipped", _NAME),
        facts=record.texts_by_name("facts", _NAME),
    )


def _quote(text: str) -> str:
    return f'"{text}"'


# -- in a project -----------------------------------------------------------------------------------------------------


def checked_path(project: Project, name: str) -> Path:
    return project.images_dir / name / CHECKED_NAME


def find_checked(project: Project, name: str, progress: Progress) -> dict[str, Checked]:
    """The results of the last checks, by host platform; empty if there is no record."""
    path = checked_path(project, name)
    try:
        return read_checked(read_text(path))
    except NoFileError:
        return {}
    except BadFileError as error:
        progress.warn(f"{project.show(path)}: {error.problem}; `imagefab check {name}` writes it again")
        return {}


def record_check(project: Project, plan: Plan, checked: Checked, progress: Progress) -> None:
    """Record a check next to the lock. Outside a project, or if it can't be written, it is not kept."""
    if project.shipped:
        return
    path = checked_path(project, plan.recipe)
    found = find_checked(project, plan.recipe, progress)
    if found.get(plan.platform.name) == checked:
        return
    try:
        text = render_checked(plan.recipe, found | {plan.platform.name: checked})
        write_atomic(path, text.encode(), within=project.root)
    except (DiskError, OSError) as error:
        progress.warn(f"can't write what the check found: {error}")
