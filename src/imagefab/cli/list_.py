"""`imagefab list`: the recipes at a glance, and the table of them that a README shows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagefab.check.record import Checked, find_floor, find_toolchain, tell_probes
from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json, working_folder
from imagefab.errors import StaleError, UsageError
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import Recipe

NAME = "list"
HELP = "the recipes: target, kind, toolchain, libc and its floor, runner, locked or not, probes, size, digest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true")
    group.add_argument("--markdown", action="store_true", help="a table for a README, from what the last checks found")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write the table into a file that has a place for it")
    parser.add_argument("--check", action="store_true", help="only say whether the file's table is up to date (exit 4)")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    recipe: Recipe
    platform: HostPlatform
    runner: str
    libc: str | None
    floor: str | None
    lock: str
    checked: Checked | None
    """What was found of the image that the lock makes; None when nobody looked since."""
    digest: str | None
    size: int | None

    @property
    def libc_and_floor(self) -> str:
        return f"{self.libc or '-'} {self.floor or ''}".rstrip()


def run(session: Session) -> int:
    arguments = session.arguments
    if (arguments.into or arguments.check) and not (arguments.markdown and arguments.into):
        raise UsageError("--into and --check go with --markdown", hint="`imagefab list --markdown --into README.md`")
    rows = [_find_row(session, recipe) for recipe in session.recipes(None)]
    if arguments.json:
        print_json({"recipes": [_describe(row) for row in rows]})
    elif arguments.markdown:
        _write_table(rows, arguments.into, only_check=arguments.check)
    else:
        _print_rows(rows)
    return 0


def _print_rows(rows: Sequence[_Row]) -> None:
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
                row.libc_and_floor,
                find_floor(checked) if checked else "-",
                row.runner,
                ",".join(name.removeprefix("linux/") for name in recipe.platforms),
                row.lock,
                tell_probes(checked) if checked else "-",
                f"{size / 1e6:.0f} MB" if size else "-",
                row.digest[:19] if row.digest else "-",
            )
        )
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    for line in table:
        write_out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _write_table(rows: Sequence[_Row], into: Path | None, *, only_check: bool) -> None:
    from imagefab.emit.recipe_table import BEGIN, Entry, compose_table, replace_table
    from imagefab.oci.disk import write_atomic
    from imagefab.plainfile import BadFileError, read_text

    table = compose_table(
        [
            Entry(
                recipe=row.recipe.name,
                target=row.recipe.target.triple,
                kind=row.recipe.kind,
                runner=row.runner,
                libc=row.libc_and_floor,
                checked=row.checked,
            )
            for row in rows
        ]
    )
    if into is None:
        write_out(table)
        return
    path = working_folder() / into
    try:
        text = read_text(path)
    except BadFileError as error:
        raise UsageError(f"{into}: {error.problem}") from None
    new = replace_table(text, table)
    if new is None:
        raise UsageError(f"{into} has no place for the table", hint=f"a line `{BEGIN}`, and one for its end")
    if new == text:
        return
    if only_check:
        raise StaleError(f"the table in {into} is out of date", hint=f"run `imagefab list --markdown --into {into}`")
    write_atomic(path, new.encode())


def _find_row(session: Session, recipe: Recipe) -> _Row:
    from imagefab.engines.build import find_image
    from imagefab.factory import find_checked, lock_path, prepare_recipe
    from imagefab.lock.libc import find_claim, find_libc
    from imagefab.pinning import find_built
    from imagefab.platforms import HOST_PLATFORMS, machine_platform
    from imagefab.progress import SilentProgress
    from imagefab.toolchains.runners.table import make_runner

    # A table for a README is the same wherever it is made.
    own = HOST_PLATFORMS["linux/amd64"] if session.arguments.markdown else machine_platform()
    platform = own if own.name in recipe.platforms else HOST_PLATFORMS[recipe.platforms[0]]
    digest, size, checked, claim, state = None, None, None, None, "locked"
    libc, floor = find_libc(None, recipe.target)
    try:
        prepared = prepare_recipe(session.project, recipe)
    except StaleError:
        state = "none" if not lock_path(session.project, recipe.name).exists() else "stale"
    else:
        libc, floor = find_libc(prepared.lock, recipe.target)
        claim = find_claim(prepared.blueprints[0])
        if prepared.blueprints[0].has_own_libc:
            floor = None
        (plan,) = prepared.choose([platform.name])
        found = find_checked(session.project, recipe.name, SilentProgress()).get(platform.name)
        checked = found if found and found.plan == plan.key else None
        image = None if session.arguments.markdown else find_image(plan, session.store, SilentProgress())
        if image is not None:
            digest, size = str(find_built(prepared, session.store, SilentProgress()).digest), image.size
    return _Row(
        recipe=recipe,
        platform=platform,
        runner=make_runner(recipe, platform).name,
        libc=libc,
        floor=claim or floor,
        lock=state,
        checked=checked,
        digest=digest,
        size=size,
    )


def _describe(row: _Row) -> dict[str, Any]:
    checked = row.checked
    return {
        "recipe": row.recipe.name,
        "description": row.recipe.description,
        "target": row.recipe.target.triple,
        "kind": row.recipe.kind,
        "runner": row.runner,
        "libc": row.libc,
        "libc_floor": row.floor,
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
