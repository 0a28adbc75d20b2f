"""`imagefab publish`: push what was built and checked to a registry, by digest."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out
from imagefab.errors import ImagefabError, raise_all
from imagefab.printable import format_size

if TYPE_CHECKING:
    from imagefab.flows.publication import Delivery
    from imagefab.flows.workspace import Workspace
    from imagefab.records.published import Published
    from imagefab.registry.push import Missing

NAME = "publish"
HELP = "push checked images to a registry, record them in published.toml, and print name@sha256:…"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shared.add_recipes(parser)
    parser.add_argument("--to", metavar="REGISTRY/NAMESPACE", help="default: `[publish] to` in imagefab.toml")
    shared.add_platforms(
        parser, "a host platform, or `all`; default: those published before, or else all that are built"
    )
    parser.add_argument("--dry-run", action="store_true", help="push nothing; print what would be pushed")
    parser.add_argument("--unchecked", action="store_true", help="publish images that were not checked, or failed")
    parser.add_argument(
        "--private", action="store_true", help="the registry is private: publish images with licensed files too"
    )
    parser.add_argument("--no-attach", action="store_true", help="do not attach SBOM and provenance")
    parser.add_argument("--sign-key", metavar="KEY", help="sign with cosign: a key file, or a KMS's address")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.catalogue import Kept
    from imagefab.flows.publish import PublishRequest, publish

    request = PublishRequest(
        recipes=shared.read_recipes(arguments, NAME),
        to=shared.read_destination(arguments.to),
        platforms=shared.read_platforms(arguments),
        unchecked=arguments.unchecked,
        private=arguments.private,
        attach=not arguments.no_attach,
        sign_key=arguments.sign_key,
        dry_run=arguments.dry_run,
    )
    deliveries: list[Delivery] = []
    kept: Kept | None = None
    errors: list[ImagefabError] = []
    for one in publish(workspace, request):
        if isinstance(one, ImagefabError):
            errors.append(one)
            continue
        if isinstance(one, Kept):
            kept = one
            workspace.progress.say(f"{kept.reference} {'written' if kept.has_changed else 'is up to date'}")
            continue
        deliveries.append(one)
        published = one.publication.published
        if not arguments.dry_run:
            workspace.progress.say(one.summary)
        if not arguments.json:
            line = _format_plan(published, one.missing) if arguments.dry_run else published.reference
            write_out(f"{line}\n")
    if arguments.json:
        images = [_describe(delivery) for delivery in deliveries]
        catalogue = kept and {"reference": kept.reference, "changed": kept.has_changed}
        print_json({"images": images, "catalogue": catalogue})
    raise_all(errors)
    return 0


def _format_plan(published: Published, missing: Missing | None) -> str:
    """What would be sent."""
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
