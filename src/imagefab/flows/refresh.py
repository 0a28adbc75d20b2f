"""The nightly refresh: upgrade, build, check, publish and pin what changed, then probe all pins in use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from imagefab.ci.report import DeadPin, Failure, ImageChange, compose_report
from imagefab.cross.config import CROSS_FILE
from imagefab.cross.file import UserFile, read_user_file
from imagefab.debian.archive import ArchiveReader
from imagefab.engines.rust import find_rust
from imagefab.errors import ImagefabError, RecipeError, UsageError, list_errors
from imagefab.files.output import check_output, write_output
from imagefab.flows.build import EngineChoice, make_workshop
from imagefab.flows.check import make_checker
from imagefab.flows.locking import Locker, Scope, load_everyone
from imagefab.flows.move import Move, Refreshed, find_move, make_image, write_checks, write_down
from imagefab.flows.pin import list_pins_in_use, update_pins
from imagefab.flows.prepare import place_error
from imagefab.flows.publish import Publisher, PublishRequest, make_order
from imagefab.flows.workspace import Workspace
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.model import Recipe
from imagefab.records.catalogue import NAME as CATALOGUE
from imagefab.records.published import Published, list_published
from imagefab.registry.probe import Probed, probe_images


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRequest:
    recipes: tuple[str, ...] | None
    """None means all."""
    publish: PublishRequest | None = None
    """None means that nothing is published."""
    engine: EngineChoice = field(default_factory=EngineChoice)
    jobs: int = 1
    report: Path | None = None
    files: tuple[Path, ...] | None = None
    """Cross.toml files that pin images; None means the project's, if it has one."""


@dataclass(slots=True, kw_only=True)
class Failures:
    """Errors by recipe or file. The others go on."""

    errors: dict[str, ImagefabError] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    """Recipes that can't be loaded."""
    unpublished: set[str] = field(default_factory=set)
    """Recipes whose images are built and good, but not published."""

    def add(self, name: str, error: ImagefabError) -> None:
        self.errors[name] = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """The result of a refresh."""

    count: int
    """How many images were considered."""
    changes: tuple[ImageChange, ...]
    failures: Failures
    dead: tuple[DeadPin, ...]
    """Pins in use whose image is gone."""
    silent: tuple[DeadPin, ...]
    """Pins in use that no registry could be asked about."""
    rewritten: tuple[str, ...]
    """Cross.toml files."""

    @property
    def has_changed(self) -> bool:
        return bool(self.changes or self.rewritten)


def refresh(workspace: Workspace, request: RefreshRequest) -> Night:
    _refuse(workspace, request)
    failures = Failures()
    recipes = _load_recipes(workspace, request, failures)
    files = _read_files(workspace, request)
    with workspace.open_fetcher() as fetcher:
        locker = _open_locker(workspace, recipes, ArchiveReader(fetcher, now=workspace.now))
        moves = _find_moves(workspace, request, recipes, locker, failures)
    done = [*_work(workspace, request, [move for move in moves if move.is_needed], failures)]
    write_down(workspace.project, done, locker, workspace.progress)
    if request.publish is not None:
        changes = _publish(workspace, request.publish, done, failures)
    else:
        changes = [_describe_change(one, None) for one in done]
    published = list_published(workspace.project, [recipe.name for recipe in recipes], workspace.progress)
    before = {move.prepared.recipe.name: move.published for move in moves if move.published is not None}
    rewritten = _pin(workspace, files, recipes, failures, published=published, before=before)
    dead, silent = _probe_pins(workspace, published, _read_files(workspace, request))
    night = Night(
        count=len(recipes) + len(failures.unread),
        changes=tuple(changes),
        failures=failures,
        dead=tuple(dead),
        silent=tuple(silent),
        rewritten=tuple(rewritten),
    )
    if request.report is not None:
        write_output(request.report, _compose_report(night).encode())
    return night


def _refuse(workspace: Workspace, request: RefreshRequest) -> None:
    """Refuse now what would otherwise fail after an hour."""
    workspace.require_own_project("nothing to refresh")
    if request.report is not None:
        check_output(request.report, "a report")
    if request.publish is not None:
        make_order(workspace, request.publish)
        if workspace.offline:
            raise UsageError("--publish can't be used with --offline")


def _load_recipes(workspace: Workspace, request: RefreshRequest, failures: Failures) -> Sequence[Recipe]:
    """The requested recipes, without those that have errors."""
    try:
        return workspace.load_recipes(request.recipes)
    except ImagefabError as error:
        if error.exit_code != RecipeError.exit_code:
            raise
    found: list[Recipe] = []
    for name in dict.fromkeys(request.recipes or list_recipes(workspace.project)):
        try:
            found += workspace.load_recipes([name])
        except ImagefabError as error:
            failures.add(name, error)
            failures.unread.add(name)
    return found


def _read_files(workspace: Workspace, request: RefreshRequest) -> list[UserFile]:
    """The Cross.toml files that pin this project's images."""
    named = request.files
    if named is None:
        path = workspace.project.root / CROSS_FILE
        if not path.exists():
            return []
        named = (Path(os.path.relpath(path)),)
    files = [read_user_file(path) for path in named]
    for file in files:
        if not file.exists:
            raise UsageError(f"there is no file {file.shown}", hint="`imagefab cross-toml` writes one")
    return files


# -- images ------------------------------------------------------------------------------------------------------------


def _open_locker(workspace: Workspace, recipes: Sequence[Recipe], reader: ArchiveReader) -> Locker:
    """All is upgraded, but for bases that other recipes stand on too."""
    names = frozenset(recipe.name for recipe in recipes)
    scope = Scope(everyone=load_everyone(workspace, recipes), recipes=names, upgrade=True)
    return Locker(workspace.project, reader, scope)


def _find_moves(
    workspace: Workspace, request: RefreshRequest, recipes: Sequence[Recipe], locker: Locker, failures: Failures
) -> list[Move]:
    to = make_order(workspace, request.publish).to if request.publish is not None else None
    moves = []
    for recipe in recipes:
        try:
            move = find_move(workspace.project, recipe, locker, workspace.progress, to=to)
        except ImagefabError as error:
            failures.add(recipe.name, place_error(workspace.project, recipe, error))
            continue
        moves.append(move)
    return moves


def _work(
    workspace: Workspace, request: RefreshRequest, moves: Sequence[Move], failures: Failures
) -> Iterator[Refreshed]:
    """Refresh several at a time. What the check of each found is written as soon as it is good."""
    if not moves:
        return
    workshop = make_workshop(workspace, request.engine)
    checker = make_checker(workspace, request.engine.name, rust=find_rust(None))
    pool = ThreadPoolExecutor(request.jobs)
    try:
        futures = [(move, pool.submit(make_image, move, workshop, checker)) for move in moves]
        for move, future in futures:
            try:
                refreshed = future.result()
                write_checks(workspace.project, refreshed, workspace.progress)
            except ImagefabError as error:
                failures.add(move.prepared.recipe.name, error)
                continue
            count = f"{len(move.packages)} packages changed, {refreshed.fresh} layers built"
            workspace.progress.say(f"{move.prepared.recipe.name}: {count}, all probes passed")
            yield refreshed
    finally:
        # After an interrupt, don't wait for builds: they end with the process.
        pool.shutdown(wait=False, cancel_futures=True)


def _publish(
    workspace: Workspace, request: PublishRequest, done: Sequence[Refreshed], failures: Failures
) -> list[ImageChange]:
    changes: list[ImageChange] = []
    publisher = Publisher(workspace, request)
    for one in done:
        name = one.move.prepared.recipe.name
        try:
            delivery = publisher.publish(one.move.prepared, one.move.platforms)
        except ImagefabError as error:
            failures.add(name, error)
            failures.unpublished.add(name)
            if one.digest_before != one.images.digest:
                changes.append(_describe_change(one, None))
            continue
        workspace.progress.say(delivery.summary)
        changes.append(_describe_change(one, delivery.publication.published.reference))
    try:
        if workspace.project.settings.publish_catalogue:
            publisher.keep_catalogue(look_up=True)
    except ImagefabError as error:
        failures.add(CATALOGUE, error)
    return changes


def _describe_change(one: Refreshed, reference: str | None) -> ImageChange:
    recipe = one.move.prepared.recipe
    return ImageChange(
        recipe=recipe.name,
        target=recipe.target.triple,
        packages=one.move.packages,
        digest=(str(one.digest_before) if one.digest_before else None, str(one.images.digest)),
        sizes=tuple((name, *sizes) for name, sizes in one.sizes.items()),
        probes=tuple(one.format_probes().items()),
        reference=reference,
    )


# -- pins --------------------------------------------------------------------------------------------------------------


def _pin(
    workspace: Workspace,
    files: Sequence[UserFile],
    recipes: Sequence[Recipe],
    failures: Failures,
    *,
    published: Mapping[str, Published],
    before: Mapping[str, Published],
) -> list[str]:
    rewritten = []
    for file in files:
        try:
            updated = update_pins(
                file,
                workspace.project,
                recipes,
                published,
                before=before,
                store=workspace.store,
                progress=workspace.progress,
            )
            if updated is not file:
                rewritten.append(file.shown)
        except ImagefabError as error:
            failures.add(file.shown, error)
    return rewritten


def _probe_pins(
    workspace: Workspace, published: Mapping[str, Published], files: Sequence[UserFile]
) -> tuple[list[DeadPin], list[DeadPin]]:
    """Find pins in use whose image is gone, and those that no registry could be asked about."""
    pins = list_pins_in_use(workspace.project, published, files)
    places = {pin.reference: pin.places[0] for pin in pins}
    warn = workspace.progress.warn
    probed = Probed() if workspace.offline else probe_images(places, workspace.registries.open, warn)

    def list_pins(reasons: Mapping[str, str]) -> list[DeadPin]:
        found = [pin for pin in pins if pin.reference in reasons]
        return [DeadPin(reference=pin.reference, places=pin.places, reason=reasons[pin.reference]) for pin in found]

    return list_pins(probed.lost), list_pins(probed.silent)


# -- the report --------------------------------------------------------------------------------------------------------


def _compose_report(night: Night) -> str:
    failures = night.failures
    return compose_report(
        night.count,
        changes=night.changes,
        failures=[
            Failure(recipe=name, log=_format_error(error), is_built=name in failures.unpublished)
            for name, error in failures.errors.items()
        ],
        dead=night.dead,
        silent=night.silent,
        files=night.rewritten,
    )


def _format_error(error: ImagefabError) -> str:
    return "\n\n".join(f"{one}\n\nhint: {one.hint}" if one.hint else str(one) for one in list_errors(error))
