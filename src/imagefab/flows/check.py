"""Check images: each in exactly the image that is meant, whatever the engine, with the results recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from imagefab.check.check import Binds, FindLibc, check_image, subject_of_image, subject_of_plan
from imagefab.check.judge import Report
from imagefab.check.libc_crate import LibcCrate, find_libc_crate
from imagefab.check.probe import failed
from imagefab.engines.build import find_image
from imagefab.engines.choose import AUTO
from imagefab.engines.command import run_in_container, run_in_image
from imagefab.engines.engine import Command, TimeLimitError
from imagefab.engines.foreign import ForeignImage, find_foreign, open_layout
from imagefab.engines.rust import find_rust
from imagefab.errors import ImagefabError, UsageError
from imagefab.fetch.crates import fetch_crate
from imagefab.files.plain import BadFileError, read_text
from imagefab.flows.prepare import Prepared
from imagefab.flows.workspace import Workspace
from imagefab.limits import Limits
from imagefab.oci.image import Image
from imagefab.oci.parts import is_layout
from imagefab.plan.model import Plan
from imagefab.platforms import ALL, HOST_PLATFORMS
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.project import Project
from imagefab.records.checked import CHECKED_NAME, Checked, find_checked, make_checked, read_checked, record_check
from imagefab.store.store import Store

_MOST_OUTPUT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    names: tuple[str, ...] | None
    """Recipes, or images from elsewhere; None means all recipes."""
    platforms: tuple[str, ...] = ()
    engine: str = AUTO
    rust: Path | None = None
    """The sysroot of a Rust toolchain; None means this machine's own, if any."""
    binds: Binds = ()
    target: str | None = None
    """For an image whose labels don't name its target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of checking one image."""

    report: Report
    platform: str
    digest: str
    """The image's digest, or the engine's ID for an image from elsewhere."""


def check(workspace: Workspace, request: CheckRequest) -> Iterator[CheckResult | ImagefabError]:
    """Check images one after another. An image that can't be checked doesn't stop the others."""
    rust = find_rust(request.rust)
    for job in _list_jobs(workspace, request, rust):
        try:
            yield from job
        except ImagefabError as error:
            yield error


def _list_jobs(workspace: Workspace, request: CheckRequest, rust: Path | None) -> Iterator[Iterator[CheckResult]]:
    known = list_recipes(workspace.project)
    own = [name for name in request.names or known if name in known]
    others = [name for name in request.names or () if name not in known]
    if unknown := [name for name in others if not _is_image(name)]:
        # Raises the errors, with hints, for unknown recipes.
        workspace.load_recipes(unknown)
    for name in others:
        yield _check_foreign(workspace, request, name, rust)
    for prepared in workspace.prepare(own) if own else ():
        yield _check_recipe(workspace, request, prepared, rust)


def _is_image(name: str) -> bool:
    return any(mark in name for mark in "/:@") or is_layout(Path(name))


def _check_recipe(
    workspace: Workspace, request: CheckRequest, prepared: Prepared, rust: Path | None
) -> Iterator[CheckResult]:
    """Check a recipe's image. Checks with binds are not recorded, as a record is about the image alone."""
    checker = make_checker(workspace, request.engine, rust=rust, binds=request.binds)
    built = [plan.platform.name for plan in prepared.plans if find_image(plan, workspace.store, workspace.progress)]
    for plan in prepared.choose_plans(request.platforms, every=built):
        image = find_image(plan, workspace.store, workspace.progress)
        if image is None:
            raise UsageError(
                f"{plan.recipe} is not built for {plan.platform}",
                hint=f"run `imagefab build {plan.recipe} --platform {plan.platform}`",
            )
        report, checked = checker.check(plan, image, budget=prepared.recipe.size_budget)
        if not request.binds:
            record_check(workspace.project, plan, checked, workspace.progress)
        yield CheckResult(report=report, platform=plan.platform.name, digest=str(image.digest))


def _check_foreign(workspace: Workspace, request: CheckRequest, name: str, rust: Path | None) -> Iterator[CheckResult]:
    if len(request.platforms) > 1 or ALL in request.platforms:
        raise UsageError(f"{name}: only images of this project are checked for several platforms at once")
    platform = HOST_PLATFORMS[request.platforms[0]] if request.platforms else None
    if is_layout(Path(name)):
        with open_layout(Path(name), workspace.store, platform, engine=request.engine) as image:
            yield _check_container(workspace, request, name, image, rust)
    else:
        image = find_foreign(name, platform, engine=request.engine)
        yield _check_container(workspace, request, name, image, rust)


def _check_container(
    workspace: Workspace, request: CheckRequest, name: str, image: ForeignImage, rust: Path | None
) -> CheckResult:
    store = workspace.store

    def execute(command: Command) -> str:
        return capture(
            store,
            lambda output: run_in_container(image.engine, image.name, image.platform, command, store, output=output),
        )

    subject = subject_of_image(name, image.env, image.labels, image.entrypoint, request.target)
    task = workspace.progress.start(f"check {name} in {image.engine.name}")
    with scratch(store) as folder:
        report = check_image(
            subject,
            image.platform,
            folder,
            execute,
            rust=rust,
            find_libc=make_libc_finder(workspace),
            binds=request.binds,
        )
    task.finish()
    return CheckResult(report=report, platform=image.platform.name, digest=image.id)


# -- one image ---------------------------------------------------------------------------------------------------------


def make_checker(workspace: Workspace, engine: str, *, rust: Path | None, binds: Binds = ()) -> Checker:
    return Checker(
        store=workspace.store,
        progress=workspace.progress,
        engine=engine,
        find_libc=make_libc_finder(workspace),
        limits=workspace.project.settings.limits,
        rust=rust,
        binds=binds,
    )


def make_libc_finder(workspace: Workspace) -> FindLibc:
    def find(rust: Path) -> LibcCrate:
        with workspace.open_fetcher() as fetcher:
            return find_libc_crate(rust, lambda crate: fetch_crate(fetcher, crate, rust))

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """What checks need from outside."""

    store: Store
    progress: Progress
    engine: str
    find_libc: FindLibc
    limits: Limits = field(default_factory=Limits)
    rust: Path | None = None
    binds: Binds = ()

    def check(self, plan: Plan, image: Image, *, budget: int | None = None) -> tuple[Report, Checked]:
        """Check one image. `budget` is its maximum size in MB."""

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
                subject_of_plan(plan),
                plan.platform,
                folder,
                execute,
                rust=self.rust,
                find_libc=self.find_libc,
                binds=self.binds,
            )
        task.finish()
        if budget is not None and image.size > budget * 1_000_000:
            row = failed("size", f"{image.size / 1e6:.1f} MB; the recipe's size-budget is {budget} MB")
            report = replace(report, rows=(*report.rows, row))
        return report, make_checked(report, plan=plan.key, manifest=image.digest, size=image.size)


# -- what other machines found -----------------------------------------------------------------------------------------


def read_records(folder: Path) -> tuple[Mapping[str, Checked], ...]:
    """Read the results of checks on other machines: every checked.toml in a folder, recursively."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder} with checked.toml files")
    records = []
    for path in sorted(folder.rglob(CHECKED_NAME)):
        try:
            records.append(read_checked(read_text(path)))
        except BadFileError as error:
            raise UsageError(f"{path}: {error.problem}") from None
    return tuple(records)


def take_all(workspace: Workspace, folder: Path, recipes: tuple[str, ...] | None) -> Iterator[tuple[str, list[str]]]:
    """Keep the results of checks on other machines. Yields each recipe with the host platforms that had results."""
    records = read_records(folder)
    for prepared in workspace.prepare(recipes):
        yield prepared.recipe.name, take_records(workspace.project, prepared, records, workspace.progress)


def take_records(
    project: Project, prepared: Prepared, records: Sequence[Mapping[str, Checked]], progress: Progress
) -> list[str]:
    """Keep the results for a recipe's current images, and return the host platforms that had any.

    Machines also pass on results they already had for other platforms. So results that are already known here are
    skipped, and if several new ones remain, a failed one wins.
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


# -- commands ----------------------------------------------------------------------------------------------------------


@contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """A folder for one check, where the image's users may leave files of their own."""
    folder = Path(tempfile.mkdtemp(prefix="check-", dir=store.scratch_folder()))
    try:
        yield folder
    finally:
        store.remove_folder(folder)


def capture(store: Store, run_command: Callable[[IO[bytes]], object]) -> str:
    """The output of a command. If it times out, that shows in its probes."""
    with tempfile.TemporaryFile(dir=store.scratch_folder()) as output:
        try:
            run_command(output)
        except TimeLimitError as error:
            return error.problem
        output.seek(0)
        return output.read(_MOST_OUTPUT).decode(errors="replace")
