"""A check of an image that was built: in exactly that image, whatever runs it, with what it found as a record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from imagefab.check.check import Binds, check_image, subject_of_plan
from imagefab.check.judge import Report
from imagefab.check.probe import failed
from imagefab.check.record import CHECKED_NAME, Checked, make_checked, read_checked
from imagefab.engines.command import run_in_image
from imagefab.engines.engine import Command, TimeLimitError
from imagefab.errors import UsageError
from imagefab.factory import Prepared, find_checked, record_check
from imagefab.limits import Limits
from imagefab.oci.image import Image
from imagefab.oci.store import Store
from imagefab.plainfile import BadFileError, read_text
from imagefab.plan.model import Plan
from imagefab.progress import Progress
from imagefab.recipe.project import Project

_MOST_OUTPUT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """What checks need from outside."""

    store: Store
    progress: Progress
    engine: str
    limits: Limits = field(default_factory=Limits)
    rust: Path | None = None
    binds: Binds = ()

    def check(self, plan: Plan, image: Image, *, budget: int | None = None) -> tuple[Report, Checked]:
        """`budget` is the most that the image may weigh, in MB."""

        def execute(command: Command) -> str:
            limited = replace(command, limits=self.limits)
            return capture(
                self.store,
                lambda output: run_in_image(
                    image, plan.recipe, limited, self.store, self.progress, engine=self.engine, output=output
                ),
            )

        task = self.progress.start(f"check {plan.recipe} ({plan.platform})")
        with scratch(self.store) as folder:
            report = check_image(
                subject_of_plan(plan), plan.platform, folder, execute, rust=self.rust, binds=self.binds
            )
        task.finish()
        if budget is not None and image.size > budget * 1_000_000:
            row = failed("size", f"{image.size / 1e6:.1f} MB; the recipe's size-budget is {budget} MB")
            report = replace(report, rows=(*report.rows, row))
        return report, make_checked(report, plan=plan.key, manifest=image.digest, size=image.size)


def read_records(folder: Path) -> tuple[Mapping[str, Checked], ...]:
    """What checks on other machines found: all files checked.toml in a folder and below it."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with records of checks")
    records = []
    for path in sorted(folder.rglob(CHECKED_NAME)):
        try:
            records.append(read_checked(read_text(path)))
        except BadFileError as error:
            raise UsageError(f"{path}: {error.problem}") from None
    return tuple(records)


def take_records(
    project: Project, prepared: Prepared, records: Sequence[Mapping[str, Checked]], progress: Progress
) -> list[str]:
    """Keep what was found of a recipe's images as they are now; the host platforms of which there was something.

    A machine hands on what it knew of other platforms too. So what is known here already is no news, and of several
    that are, one that is bad counts.
    """
    taken = []
    known = find_checked(project, prepared.recipe.name, progress)
    for plan in prepared.plans:
        name = plan.platform.name
        found = [record[name] for record in records if name in record and record[name].plan == plan.key]
        news = sorted((one for one in found if one != known.get(name)), key=lambda one: one.is_good)
        if news:
            record_check(project, plan, news[0], progress)
        if found:
            taken.append(name)
    return taken


@contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """A folder for one check, which the image's users may have filled with files of theirs."""
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=store.scratch_folder()))
    try:
        yield folder
    finally:
        store.remove_folder(folder)


def capture(store: Store, run_command: Callable[[IO[bytes]], object]) -> str:
    """What a command said. That it did not end in time shows in its probes."""
    with tempfile.TemporaryFile(dir=store.scratch_folder()) as output:
        try:
            run_command(output)
        except TimeLimitError as error:
            return error.problem
        output.seek(0)
        return output.read(_MOST_OUTPUT).decode(errors="replace")
