"""A check of an image that was built: in exactly that image, whatever runs it, with what it found as a record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from imagefab.check.check import check_image, subject_of_plan
from imagefab.check.judge import Report
from imagefab.check.record import Checked, make_checked
from imagefab.engines.command import run_in_image
from imagefab.engines.engine import Command, TimeLimitError
from imagefab.engines.load import local_name
from imagefab.oci.image import Image
from imagefab.oci.store import Store
from imagefab.plan.model import Plan
from imagefab.progress import Progress

_MOST_OUTPUT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """What checks need from outside."""

    store: Store
    progress: Progress
    engine: str
    rust: Path | None = None

    def check(self, plan: Plan, image: Image) -> tuple[Report, Checked]:
        def execute(command: Command) -> str:
            name = local_name(plan.recipe)
            return capture(
                self.store,
                lambda output: run_in_image(
                    image, name, command, self.store, self.progress, engine=self.engine, output=output
                ),
            )

        task = self.progress.start(f"check {plan.recipe} ({plan.platform})")
        with scratch(self.store) as folder:
            report = check_image(subject_of_plan(plan), plan.platform, folder, execute, rust=self.rust)
        task.finish()
        return report, make_checked(report, plan=plan.key, manifest=image.digest, size=image.size)


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
