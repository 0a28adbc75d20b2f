"""`imagefab publish`: what was built and checked, to a registry, by digest."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, choose_names, print_json, read_destination, working_folder
from imagefab.errors import ImagefabError, UsageError, raise_all

if TYPE_CHECKING:
    from imagefab.emit.published import Published
    from imagefab.factory import Prepared
    from imagefab.publishing import Delivery, Order, Sign
    from imagefab.registry.push import Missing

NAME = "publish"
HELP = "push what was built and checked; records it in images/<recipe>/published.toml; prints name@sha256:…"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--all", action="store_true", help="all recipes")
    parser.add_argument(
        "--to", metavar="REGISTRY/NAMESPACE", help="where they go; default: `[publish] to` in imagefab.toml"
    )
    parser.add_argument(
        "--platform",
        action="append",
        metavar="P",
        help="a host platform, or `all` of the recipe's; default: those published before, else all that are built",
    )
    parser.add_argument("--dry-run", action="store_true", help="only ask the registry, and say what would go there")
    parser.add_argument("--unchecked", action="store_true", help="also what was not checked, or failed")
    parser.add_argument(
        "--private", action="store_true", help="only you can pull from there: also what is licensed to you"
    )
    parser.add_argument("--no-attach", action="store_true", help="attach no SBOM and no provenance")
    parser.add_argument("--sign-key", metavar="KEY", help="sign with cosign: a key file, or a KMS's address")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    arguments = session.arguments
    names = choose_names(arguments, NAME)
    read_order(session)
    prepared = session.prepare(names)
    session.use_store()
    deliveries: list[Delivery] = []
    errors: list[ImagefabError] = []
    publisher = Publisher(session)
    for one in prepared:
        try:
            delivery = publisher.publish(one)
        except ImagefabError as error:
            errors.append(error)
            continue
        deliveries.append(delivery)
        if not arguments.json and not arguments.dry_run:
            write_out(f"{delivery.publication.published.reference}\n")
    if arguments.json:
        print_json({"images": [_describe(delivery) for delivery in deliveries]})
    raise_all(errors)
    return 0


def read_order(session: Session) -> Order:
    from imagefab.emit.provenance import BUILDER
    from imagefab.platforms import HOST_PLATFORMS, parse_platform
    from imagefab.publishing import Order

    arguments, settings = session.arguments, session.project.settings
    to = read_destination(arguments.to) or settings.publish_to
    if to is None:
        raise UsageError(
            "publish to where?", hint="`--to REGISTRY/NAMESPACE`, or `[publish] to` in imagefab.toml, says it"
        )
    asked = arguments.platform
    if asked is not None and "all" in asked:
        platforms: tuple[str, ...] | None = ("all",)
    else:
        wanted = {parse_platform(text).name for text in asked or ()}
        platforms = tuple(name for name in HOST_PLATFORMS if name in wanted) or None
    return Order(
        to=to,
        platforms=platforms,
        unchecked=arguments.unchecked,
        private=arguments.private or settings.publish_private,
        attach=not arguments.no_attach,
        moving_tag=settings.publish_tag,
        builder=settings.publish_builder or BUILDER,
        signs=(arguments.sign_key or settings.sign_key) is not None,
    )


def _choose_signer(session: Session) -> Sign | None:
    from imagefab.registry.sign import Signer

    asked, configured = session.arguments.sign_key, session.project.settings.sign_key
    key, folder = (asked, working_folder()) if asked is not None else (configured, session.project.root)
    if key is None:
        return None
    return Signer(key, folder, session.progress, session.keyring, os.environ).sign


class Publisher:
    """Publishes one recipe after another."""

    def __init__(self, session: Session) -> None:
        from imagefab.pinning import list_published
        from imagefab.recipe.loader import list_recipes

        self._session = session
        self._registries = session.registries
        self._order = read_order(session)
        self._sign = _choose_signer(session)
        self._known = list_published(session.project, list_recipes(session.project), session.progress)
        """What is published, by recipe: what siblings may have is not sent."""

    def publish(self, prepared: Prepared, platforms: tuple[str, ...] | None = None) -> Delivery:
        """`platforms` where they are not what is asked for on the command line."""
        from imagefab.publishing import Delivery, deliver, look, prepare_publication, record_publication
        from imagefab.registry.push import Pushed

        session, name = self._session, prepared.recipe.name
        if f"{self._order.to}/{name}" == session.project.settings.layers:
            raise UsageError(
                f"{name} would be published where machines share layers", hint="another `[publish] layers` mends it"
            )
        others = [published for recipe, published in self._known.items() if recipe != name]
        order = self._order if platforms is None else replace(self._order, platforms=platforms)
        publication = prepare_publication(
            session.project, prepared, order, session.store, session.progress, others=others
        )
        client = self._registries.open(publication.published.registry)
        missing = look(publication, client, session.store)
        if session.arguments.dry_run:
            if not session.arguments.json:
                write_out(f"{_foretell(publication.published, missing)}\n")
            return Delivery(publication=publication, missing=missing, pushed=Pushed())
        delivery = deliver(publication, missing, client, session.progress, self._sign)
        record_publication(session.project, publication, session.now, session.progress)
        self._known[name] = publication.published
        session.progress.say(_tell(delivery))
        return delivery


def _foretell(published: Published, missing: Missing | None) -> str:
    from imagefab.cli.display import format_size

    if missing is None or missing.is_empty:
        return f"{published.reference}: all of it is there"
    sent = len(missing.blobs) - len(missing.mountable)
    parts = [f"{format_size(missing.bytes_to_send)} in {sent} blobs"]
    if missing.mountable:
        parts.append(f"{len(missing.mountable)} blobs from siblings")
    parts += [
        f"{len(found)} {noun}"
        for found, noun in (
            (missing.manifests, "manifests"),
            (missing.attachments, "attachments"),
            (missing.tags, f"tags ({', '.join(missing.tags)})"),
        )
        if found
    ]
    return f"{published.reference}: would send {', '.join(parts)}"


def _tell(delivery: Delivery) -> str:
    """One line when done."""
    from imagefab.cli.display import format_size

    name = delivery.publication.prepared.recipe.name
    if not delivery.is_news:
        return f"{name}: all of it is there, nothing to send"
    pushed = delivery.pushed
    mounted = f", {pushed.blobs_mounted} from siblings" if pushed.blobs_mounted else ""
    return f"{name}: {format_size(pushed.sent)} sent in {pushed.blobs_sent} blobs{mounted}"


def _describe(delivery: Delivery) -> dict[str, Any]:
    publication, missing = delivery.publication, delivery.missing
    published = publication.published
    wanted = None
    if missing is not None:
        wanted = {
            "bytes": missing.bytes_to_send,
            "blobs": [str(blob.digest) for blob in missing.blobs],
            "mountable": [str(blob.digest) for blob in missing.blobs if blob.digest in missing.mountable],
            "manifests": [str(digest) for digest, _, _ in missing.manifests],
            "attachments": [one.kind for one in missing.attachments],
            "tags": list(missing.tags),
        }
    return {
        "recipe": publication.prepared.recipe.name,
        "target": publication.prepared.recipe.target.triple,
        "digest": str(published.digest),
        "reference": published.reference,
        "tag": published.tag,
        "platforms": {
            name: {"manifest": str(image.manifest), "config": str(image.config)} for name, image in published.images
        },
        "missing": wanted,
        "sent": {
            "bytes": delivery.pushed.sent,
            "blobs": delivery.pushed.blobs_sent,
            "mounted": delivery.pushed.blobs_mounted,
        },
    }
