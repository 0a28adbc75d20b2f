"""`imagefab refresh`: the nightly. What the archives have new, built, checked, published and pinned, with a report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.build import add_engine_arguments, make_workshop, parse_count
from imagefab.cli.display import write_out
from imagefab.cli.lock import describe_package
from imagefab.cli.publish import Publisher, read_order
from imagefab.cli.session import Session, add_allow_file_argument, print_json
from imagefab.errors import FetchError, ImagefabError, RecipeError, SeveralErrors, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.emit.file import UserFile
    from imagefab.emit.published import Published
    from imagefab.emit.report import DeadPin, ImageChange
    from imagefab.recipe.model import Recipe
    from imagefab.refreshing import Move, Refreshed

NAME = "refresh"
HELP = "the nightly: move locks, rebuild and check what changed, probe pins in use, report; exit code 10 on a change"
_CHANGED = 10
_CROSS_FILE = "Cross.toml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="default: all")
    parser.add_argument("--all", action="store_true", help="all recipes")
    parser.add_argument("--publish", action="store_true", help="publish what changed, and pin it")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what changed as Markdown")
    parser.add_argument(
        "--file",
        type=Path,
        action="append",
        metavar="FILE",
        help=f"a file of cross to pin the images in; default: {_CROSS_FILE} of the project, if there is one",
    )
    add_engine_arguments(parser)
    add_allow_file_argument(parser)
    parser.add_argument(
        "--jobs", type=parse_count, default=os.cpu_count() or 1, metavar="N", help="recipes built at a time"
    )
    parser.add_argument("--to", metavar="REGISTRY/NAMESPACE", help="with --publish: where, when not as configured")
    parser.add_argument("--private", action="store_true", help="with --publish: as `imagefab publish` has it")
    parser.add_argument("--sign-key", metavar="KEY", help="with --publish: as `imagefab publish` has it")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(platform=None, unchecked=False, no_attach=False, dry_run=False)


class _Failures:
    """What went wrong, by recipe; the others go on."""

    def __init__(self) -> None:
        self.errors: list[ImagefabError] = []
        self.by_recipe: dict[str, ImagefabError] = {}
        self.unread: set[str] = set()
        """Recipes that say nothing that could be built."""
        self.built: set[str] = set()
        """What is there and good all the same, and not published."""

    def add(self, recipe: str, error: ImagefabError) -> None:
        self.errors.append(error)
        self.by_recipe[recipe] = error


def run(session: Session) -> int:
    from imagefab.emit.output import check_output, write_output
    from imagefab.emit.report import Failure, compose_report
    from imagefab.pinning import list_published

    arguments = session.arguments
    if arguments.all and arguments.recipes:
        raise UsageError("recipes and --all exclude each other")
    if session.project.shipped:
        raise UsageError("no project here: nothing to refresh", hint="`imagefab init` starts one")
    if arguments.report is not None:
        check_output(arguments.report, "a report")
    if arguments.publish:
        read_order(session)
        if session.offline:
            raise UsageError("--publish and --offline exclude each other")
    else:
        _refuse_without_publish(arguments)
    failures = _Failures()
    recipes = _load_recipes(session, failures)
    files = _read_files(session)
    moves = _find_moves(session, recipes, failures)
    done = [*_work(session, [move for move in moves if move.is_needed], failures)]
    changes = _publish(session, done, failures) if arguments.publish else [_describe_change(one, None) for one in done]
    published = list_published(session.project, [recipe.name for recipe in recipes], session.progress)
    before = {move.prepared.recipe.name: move.published for move in moves if move.published is not None}
    rewritten = _pin(session, files, recipes, failures, published=published, before=before)
    dead, silent = _probe_pins(session, published, _read_files(session))
    if arguments.report is not None:
        told = [
            Failure(recipe=name, log=_tell_error(error), is_built=name in failures.built)
            for name, error in failures.by_recipe.items()
        ]
        count = len(recipes) + len(failures.unread)
        text = compose_report(count, changes=changes, failures=told, dead=dead, silent=silent, files=rewritten)
        write_output(arguments.report, text.encode())
    if arguments.json:
        _print_json(changes, failures, dead, silent, rewritten)
    else:
        write_out("".join(f"{one.reference or f'{one.recipe}@{one.digest[1]}'}\n" for one in changes))
    if not (changes or rewritten or failures.errors):
        session.progress.say(f"nothing new for {len(recipes)} images")
    errors: list[ImagefabError] = [
        FetchError(
            f"{one.reference} is dead: {one.reason}\nused in {', '.join(one.places)}",
            hint="build and publish it again, or pin another image",
        )
        for one in dead
    ]
    raise_all([*failures.errors, *errors])
    return _CHANGED if changes or rewritten else 0


def _load_recipes(session: Session, failures: _Failures) -> Sequence[Recipe]:
    """Those that are asked for, but for the ones with mistakes."""
    from imagefab.recipe.loader import list_recipes

    names = session.arguments.recipes or None
    try:
        return session.recipes(names)
    except ImagefabError as error:
        if error.exit_code != RecipeError.exit_code:
            raise
    found: list[Recipe] = []
    for name in dict.fromkeys(names or list_recipes(session.project)):
        try:
            found += session.recipes([name])
        except ImagefabError as error:
            failures.add(name, error)
            failures.unread.add(name)
    return found


def _find_moves(session: Session, recipes: Sequence[Recipe], failures: _Failures) -> list[Move]:
    from imagefab.factory import place_error
    from imagefab.refreshing import find_move
    from imagefab.sources.debian.archive import ArchiveReader

    to = read_order(session).to if session.arguments.publish else None
    moves = []
    with session.fetcher() as fetcher:
        reader = ArchiveReader(fetcher, now=session.now)
        for recipe in recipes:
            try:
                move = find_move(session.project, recipe, reader, session.progress, to=to)
            except ImagefabError as error:
                failures.add(recipe.name, place_error(session.project, recipe, error))
                continue
            moves.append(move)
    return moves


def _work(session: Session, moves: Sequence[Move], failures: _Failures) -> Iterator[Refreshed]:
    """Several at a time; each is written down as soon as it is good."""
    from imagefab.checking import Checker
    from imagefab.engines.rust import find_rust
    from imagefab.refreshing import make_image, write_down

    if not moves:
        return
    workshop = make_workshop(session)
    engine = session.arguments.engine
    checker = Checker(
        store=session.store,
        progress=session.progress,
        engine=engine,
        limits=session.project.settings.limits,
        rust=find_rust(None),
    )
    pool = ThreadPoolExecutor(session.arguments.jobs)
    try:
        futures = [(move, pool.submit(make_image, move, workshop, checker)) for move in moves]
        for move, future in futures:
            try:
                refreshed = future.result()
                write_down(session.project, refreshed, session.progress)
            except ImagefabError as error:
                failures.add(move.prepared.recipe.name, error)
                continue
            count = f"{len(move.packages)} packages changed, {refreshed.fresh} layers built"
            session.progress.say(f"{move.prepared.recipe.name}: {count}, and good")
            yield refreshed
    finally:
        # After an interrupt nobody wants to wait for builds; they end with the process.
        pool.shutdown(wait=False, cancel_futures=True)


def _publish(session: Session, done: Sequence[Refreshed], failures: _Failures) -> list[ImageChange]:
    changes: list[ImageChange] = []
    if not done:
        return changes
    publisher = Publisher(session)
    for one in done:
        name = one.move.prepared.recipe.name
        try:
            delivery = publisher.publish(one.move.prepared, one.move.platforms)
        except ImagefabError as error:
            failures.add(name, error)
            failures.built.add(name)
            if one.digest_before != one.images.digest:
                changes.append(_describe_change(one, None))
            continue
        changes.append(_describe_change(one, delivery.publication.published.reference))
    return changes


def _pin(
    session: Session,
    files: Sequence[UserFile],
    recipes: Sequence[Recipe],
    failures: _Failures,
    *,
    published: Mapping[str, Published],
    before: Mapping[str, Published],
) -> list[str]:
    from imagefab.pinning import update_pins

    rewritten = []
    for file in files:
        try:
            updated = update_pins(
                file,
                session.project,
                recipes,
                published,
                before=before,
                store=session.store,
                progress=session.progress,
            )
            if updated is not file:
                rewritten.append(file.shown)
        except ImagefabError as error:
            failures.add(file.shown, error)
    return rewritten


def _probe_pins(
    session: Session, published: Mapping[str, Published], files: Sequence[UserFile]
) -> tuple[list[DeadPin], list[DeadPin]]:
    """Every image that somebody pulls by digest must be there: those that are not, and those of which nobody says."""
    from imagefab.emit.report import DeadPin
    from imagefab.pinning import list_pins_in_use
    from imagefab.registry.probe import Probed, probe_images

    pins = list_pins_in_use(session.project, published, files)
    places = {pin.reference: pin.places[0] for pin in pins}
    probed = Probed() if session.offline else probe_images(places, session.registries.open, session.progress.warn)

    def tell(reasons: Mapping[str, str]) -> list[DeadPin]:
        told = [pin for pin in pins if pin.reference in reasons]
        return [DeadPin(reference=pin.reference, places=pin.places, reason=reasons[pin.reference]) for pin in told]

    return tell(probed.lost), tell(probed.silent)


def _read_files(session: Session) -> list[UserFile]:
    """The files of cross that pin our images."""
    from imagefab.emit.file import read_user_file

    named = session.arguments.file
    if named is None:
        path = session.project.root / _CROSS_FILE
        if not path.exists():
            return []
        named = [Path(os.path.relpath(path))]
    files = [read_user_file(path) for path in named]
    for file in files:
        if not file.exists:
            raise UsageError(
                f"there is no file {file.shown} with images to refresh", hint="`imagefab cross-toml` writes one"
            )
    return files


def _refuse_without_publish(arguments: argparse.Namespace) -> None:
    for given, option in ((arguments.to, "--to"), (arguments.private, "--private"), (arguments.sign_key, "--sign-key")):
        if given:
            raise UsageError(f"{option} is for what is published", hint="with it goes --publish")


# -- telling ----------------------------------------------------------------------------------------------------------


def _describe_change(one: Refreshed, reference: str | None) -> ImageChange:
    from imagefab.emit.report import ImageChange

    recipe = one.move.prepared.recipe
    return ImageChange(
        recipe=recipe.name,
        target=recipe.target.triple,
        packages=one.move.packages,
        digest=(str(one.digest_before) if one.digest_before else None, str(one.images.digest)),
        sizes=tuple((name, *sizes) for name, sizes in one.sizes.items()),
        probes=tuple(one.tell_probes().items()),
        reference=reference,
    )


def _split(error: ImagefabError) -> tuple[ImagefabError, ...]:
    return error.errors if isinstance(error, SeveralErrors) else (error,)


def _tell_error(error: ImagefabError) -> str:
    return "\n\n".join(f"{one}\n\nhint: {one.hint}" if one.hint else str(one) for one in _split(error))


def _print_json(
    changes: Sequence[ImageChange],
    failures: _Failures,
    dead: Sequence[DeadPin],
    silent: Sequence[DeadPin],
    rewritten: Sequence[str],
) -> None:
    print_json(
        {
            "changed": bool(changes or rewritten),
            "images": [_describe_json(change) for change in changes],
            "failed": [
                {"recipe": name, "problem": str(one), "hint": one.hint}
                for name, error in failures.by_recipe.items()
                for one in _split(error)
            ],
            "dead_pins": list(map(_describe_pin, dead)),
            "silent_pins": list(map(_describe_pin, silent)),
            "rewritten": list(rewritten),
        }
    )


def _describe_json(change: ImageChange) -> dict[str, Any]:
    return {
        "recipe": change.recipe,
        "target": change.target,
        "digest": {"before": change.digest[0], "after": change.digest[1]},
        "reference": change.reference,
        "sizes": {name: {"before": before, "after": after} for name, before, after in change.sizes},
        "probes": dict(change.probes),
        "packages": [describe_package(one) for one in change.packages],
    }


def _describe_pin(pin: DeadPin) -> dict[str, Any]:
    return {"image": pin.reference, "used_in": list(pin.places), "reason": pin.reason}
