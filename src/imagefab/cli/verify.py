"""`imagefab verify`: build once more from the lock, and compare with what was published, or with anything."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.build import add_engine_arguments, choose_once
from imagefab.cli.display import write_out
from imagefab.cli.session import Session, add_allow_file_argument, print_json
from imagefab.errors import ImagefabError, MismatchError, StaleError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.factory import Prepared
    from imagefab.oci.compare import Difference
    from imagefab.verifying import Given, Verdict

NAME = "verify"
HELP = (
    "rebuild from the lock in a fresh store and compare; says the first layer and the files that differ (exit code 7)"
)
_MOST_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument(
        "--against",
        metavar="REF",
        help="an image on a registry (name@sha256:… or name:tag), the folder of an OCI layout, or a digest alone; "
        "default: what was published, else what was built here",
    )
    add_engine_arguments(parser)
    add_allow_file_argument(parser)
    parser.add_argument("--platform", action="append", metavar="P", help="only that host platform's image")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    arguments = session.arguments
    if arguments.against is not None and len(set(arguments.recipes)) > 1:
        raise UsageError("--against is for one recipe")
    session.use_store()
    verdicts: list[Verdict] = []
    errors: list[ImagefabError] = []
    for prepared in session.prepare(arguments.recipes):
        try:
            verdict = _verify(session, prepared, _find_given(session, prepared))
        except ImagefabError as error:
            errors.append(error)
            continue
        verdicts.append(verdict)
        if verdict.is_same:
            session.progress.say(
                f"{verdict.recipe}: the same as {verdict.given.name}, built in {verdict.seconds:.1f} s"
            )
            if not arguments.json:
                write_out(f"{verdict.recipe}@{verdict.given.digest}\n")
        else:
            errors.append(_complain(verdict))
    if arguments.json:
        print_json({"images": [_describe(verdict) for verdict in verdicts]})
    raise_all(errors)
    return 0


def _verify(session: Session, prepared: Prepared, given: Given) -> Verdict:
    from imagefab.factory import Wanted, Workshop
    from imagefab.pinning import find_published
    from imagefab.platforms import parse_platform
    from imagefab.verifying import choose_platforms, lend_inputs, make_fresh_store, verify

    asked = [parse_platform(text).name for text in session.arguments.platform or ()]
    published = find_published(session.project, prepared.recipe.name) if given.source is None else None
    platforms = choose_platforms(prepared, given, list(dict.fromkeys(asked)), published)
    with make_fresh_store(session.store) as fresh:

        def fetch(wanted: Wanted) -> None:
            session.fetch(wanted)
            lend_inputs(
                session.store, fresh, [pin.sha256 for pin in wanted.pins] + [one.digest for one in wanted.sources]
            )

        workshop = Workshop(
            limits=session.project.settings.limits,
            store=fresh,
            progress=session.progress,
            engine=choose_once(session, fresh),
            fetch=fetch,
            no_cache=True,
            now=session.now,
            builds_here=session.arguments.builder is None,
        )
        verdict = verify(prepared, given, platforms, workshop)
        everything = prepared.recipe.platforms
        if given.source is None and not asked and not verdict.is_same and len(platforms) < len(everything):
            session.progress.say(f"{verdict.recipe}: not {given.name} for {', '.join(platforms)}; trying all platforms")
            return verify(prepared, given, everything, workshop)
        return verdict


def _find_given(session: Session, prepared: Prepared) -> Given:
    """What to compare with."""
    from imagefab.digest import Digest
    from imagefab.oci.parts import LayoutSource, StoreSource, is_layout
    from imagefab.pinning import find_built, find_published
    from imagefab.verifying import Given

    against = session.arguments.against
    recipe = prepared.recipe.name
    if against is None:
        published = find_published(session.project, recipe)
        if published is not None:
            return _ask_registry(session, published.reference)
        images = find_built(prepared, session.store, session.progress)
        if not images.images:
            raise StaleError(
                f"{recipe} is neither published nor built: there is nothing to compare with",
                hint="--against names an image",
            )
        source = StoreSource(images, session.store)
        return Given(name=source.name, digest=source.digest, source=source)
    if is_layout(Path(against)):
        layout = LayoutSource(Path(against), wanted=recipe)
        return Given(name=layout.name, digest=layout.digest, source=layout)
    try:
        return Given(name=against, digest=Digest.parse(against))
    except ValueError:
        return _ask_registry(session, against)


def _ask_registry(session: Session, text: str) -> Given:
    from imagefab.registry.pull import RegistrySource
    from imagefab.registry.reference import Reference
    from imagefab.verifying import Given

    reference = Reference.parse(text)
    source = RegistrySource(reference, session.registries.open(reference.repository.host))
    return Given(name=text, digest=source.digest, source=source)


# -- telling ----------------------------------------------------------------------------------------------------------


def _complain(verdict: Verdict) -> MismatchError:
    lines = [f"{verdict.recipe} is not what its lock makes: {verdict.given.name}"]
    for one in verdict.platforms:
        if one.theirs is None:
            lines.append(f"  {one.platform}: the lock makes {one.mine.digest}")
        elif one.difference is None:
            lines.append(f"  {one.platform}: the same")
        else:
            lines.append(f"  {one.platform}: {tell_difference(one.difference)}")
            lines += [f"    {file.path}: {file.what}" for file in one.difference.files[:_MOST_SHOWN]]
            if (more := len(one.difference.files) - _MOST_SHOWN) > 0:
                lines.append(f"    and {more} more")
            lines += [f"    {detail}" for detail in one.difference.details[:_MOST_SHOWN]]
    if all(one.difference is None for one in verdict.platforms):
        lines.append(f"  the lock makes {verdict.images.digest}")
    return MismatchError(
        "\n".join(make_plain(line) for line in lines),
        hint="`here` is what was built from the lock now, `there` the other; is it of another lock?",
    )


def tell_difference(difference: Difference) -> str:
    from imagefab.oci.compare import Kind

    layer = f"layer {(difference.layer or 0) + 1} ({difference.name})"
    match difference.kind:
        case Kind.CONTENT:
            count = f", {len(difference.files)} files differ" if difference.files else ""
            return f"the first difference is in {layer}: its content{count}"
        case Kind.COMPRESSION:
            return f"the first difference is in {layer}: only its compression; all content is the same"
        case Kind.LAYERS:
            return f"one has more layers, from {layer} on"
        case _:
            return "the layers are the same; the configuration differs"


def _describe(verdict: Verdict) -> dict[str, Any]:
    return {
        "recipe": verdict.recipe,
        "against": verdict.given.name,
        "same": verdict.is_same,
        "digest": str(verdict.images.digest),
        "expected": str(verdict.given.digest),
        "platforms": {
            one.platform: {
                "manifest": str(one.mine.digest),
                "expected": None if one.theirs is None else str(one.theirs.digest),
                "difference": None if one.difference is None else describe_difference(one.difference),
            }
            for one in verdict.platforms
        },
    }


def describe_difference(difference: Difference) -> dict[str, Any]:
    return {
        "kind": str(difference.kind),
        "layer": difference.layer,
        "name": difference.name,
        "files": [{"path": file.path, "what": file.what} for file in difference.files],
        "details": list(difference.details),
    }


def make_plain(line: str) -> str:
    """A stranger's text, without what a terminal would act on."""
    return "".join(character if character.isprintable() else "?" for character in line)
