"""One recipe's publication: what is to be published, what the registry lacks of it, and its record.

Everything is settled before anything is sent: the host platforms, whether they passed their check, and whether the
image may be published there at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imagefab.attest.provenance import BUILDER, STATEMENT, read_predicate
from imagefab.attest.sbom import format_epoch
from imagefab.digest import Digest
from imagefab.engines.build import find_image
from imagefab.errors import CheckError, StaleError, UsageError
from imagefab.files.disk import DiskError, make_folder, refuse_way_out, write_atomic
from imagefab.flows.attachments import make_attachments
from imagefab.flows.prepare import Prepared
from imagefab.oci.image import Image, ImageSet
from imagefab.plan.model import Plan, list_keys
from imagefab.printable import format_size
from imagefab.progress import Progress
from imagefab.recipe.project import Project
from imagefab.records.checked import Checked, find_checked
from imagefab.records.published import (
    PUBLISHED_NAME,
    Published,
    PublishedImage,
    find_published,
    render_published,
)
from imagefab.registry.client import Client
from imagefab.registry.manifests import Manifests
from imagefab.registry.push import Missing, Parcel, Pushed, find_missing, push
from imagefab.registry.reference import Repository
from imagefab.store.store import Store
from imagefab.toolchains.design import PRIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to publish and how, the same for all recipes."""

    to: str
    """Registry and namespace."""
    platforms: tuple[str, ...] = ()
    unchecked: bool = False
    private: bool = False
    attach: bool = True
    moving_tag: str | None = None
    builder: str = BUILDER
    signs: bool = False

    @property
    def must_have_all(self) -> bool:
        """Whether the image must be in the store, even if it is on record as published."""
        return self.signs or self.moving_tag is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One recipe's image to publish."""

    prepared: Prepared
    published: Published
    """The new record."""
    before: Published | None
    """The current record."""
    parcel: Parcel | None
    """None if the image is no longer in the store, but on record as published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    publication: Publication
    missing: Missing | None
    """None if the image was not in the store to compare."""
    pushed: Pushed

    @property
    def is_news(self) -> bool:
        return self.missing is not None and not self.missing.is_empty

    @property
    def summary(self) -> str:
        """One line for when it is done."""
        name = self.publication.prepared.recipe.name
        if not self.is_news:
            return f"{name}: already up to date"
        pushed = self.pushed
        mounted = f", {pushed.blobs_mounted} from siblings" if pushed.blobs_mounted else ""
        return f"{name}: {format_size(pushed.sent)} sent in {pushed.blobs_sent} blobs{mounted}"


Sign = Callable[[str, bytes | None], None]
"""Signs an image by its reference, and its provenance, before a tag points to it."""


def prepare_publication(
    project: Project, prepared: Prepared, order: Order, store: Store, progress: Progress, *, others: Iterable[Published]
) -> Publication:
    """Check everything that can fail before the network is used. `others` is what other recipes published."""
    recipe = prepared.recipe.name
    repository = Repository.parse(f"{order.to}/{recipe}")
    before = find_published(project, recipe)
    plans = prepared.choose_plans(
        order.platforms, otherwise=_suggest_platforms(prepared, order, before, store, progress)
    )
    for plan in plans:
        _refuse_private(plan, order)
    found = [(plan, find_image(plan, store, progress)) for plan in plans]
    if any(image is None for _, image in found):
        if before is not None and before.is_of(str(repository), list_keys(plans)) and not order.must_have_all:
            return Publication(prepared=prepared, published=before, before=before, parcel=None)
        missing = next(plan for plan, image in found if image is None)
        raise StaleError(
            f"{recipe} is not built for {missing.platform}",
            hint=f"run `imagefab build {recipe} --platform {missing.platform}`, and check it",
        )
    images = ImageSet(recipe=recipe, images=tuple(image for _, image in found if image is not None))
    if not order.unchecked:
        _require_checked(find_checked(project, recipe, progress), plans, images)
    published = Published(
        name=str(repository),
        digest=images.digest,
        platforms=tuple(plan.platform for plan in plans),
        tag=_make_tag(prepared, images),
        images=tuple(_describe(plan, image) for plan, image in zip(plans, images.images, strict=True)),
    )
    parcel = Parcel(
        repository=repository,
        images=images,
        attachments=tuple(make_attachments(project, prepared, images, repository, order.builder))
        if order.attach
        else (),
        tag=published.tag,
        moving_tag=order.moving_tag,
        siblings=_list_siblings(repository, others),
    )
    return Publication(prepared=prepared, published=published, before=before, parcel=parcel)


def look(publication: Publication, client: Client, store: Store) -> Missing | None:
    """Find what the registry lacks."""
    if publication.parcel is not None:
        return find_missing(publication.parcel, client, store)
    published = publication.published
    manifests = Manifests(client, Repository.parse(published.name))
    wanted = {published.digest, *(image.manifest for _, image in published.images)}
    if not all(manifests.has(digest) for digest in sorted(wanted)):
        recipe = publication.prepared.recipe.name
        raise StaleError(
            f"{published.registry} no longer has {published.reference}, nor has the store",
            hint=f"build it again: `imagefab build {recipe}`, check it, and publish it",
        )
    return None


def deliver(
    publication: Publication, missing: Missing | None, client: Client, progress: Progress, sign: Sign | None
) -> Delivery:
    pushed = Pushed()
    if publication.parcel is not None and missing is not None:
        parcel, reference = publication.parcel, publication.published.reference
        statements = (one.data for one in parcel.attachments if one.kind == STATEMENT)
        predicate = next(map(read_predicate, statements), None)
        pushed = push(
            parcel,
            missing,
            client,
            progress,
            sign=(lambda: sign(reference, predicate)) if sign is not None else None,
        )
    return Delivery(publication=publication, missing=missing, pushed=pushed)


def record_publication(project: Project, publication: Publication, now: datetime, progress: Progress) -> None:
    """Write published.toml if it changes. The recipes that ship with imagefab have none."""
    published, before = publication.published, publication.before
    if project.shipped or (before is not None and replace(published, when=before.when) == before):
        return
    recipe = publication.prepared.recipe.name
    path = project.images_dir / recipe / PUBLISHED_NAME
    try:
        refuse_way_out(path, project.root)
        make_folder(path.parent)
        text = render_published(recipe, replace(published, when=now))
        write_atomic(path, text.encode(), within=project.root)
    except (DiskError, OSError) as error:
        raise DiskError(
            f"{recipe} is published, but {project.show(path)} can't be written: {error}",
            hint=f"publish again once it can be written, so that it names {published.reference}",
        ) from None
    progress.say(f"{project.show(path)} written")


def _suggest_platforms(
    prepared: Prepared, order: Order, before: Published | None, store: Store, progress: Progress
) -> Sequence[str]:
    """Suggest platforms, so that a published image doesn't lose one that this machine happened not to build."""
    if order.platforms:
        return ()
    if before is not None and before.name == f"{order.to}/{prepared.recipe.name}":
        kept = [platform.name for platform in before.platforms if platform.name in prepared.recipe.platforms]
        if kept:
            return kept
    built = [plan.platform.name for plan in prepared.plans if find_image(plan, store, progress) is not None]
    if left := [name for name in prepared.recipe.platforms if built and name not in built]:
        progress.warn(f"{prepared.recipe.name}: not built for {', '.join(left)}, so it is published without")
    return built


def _refuse_private(plan: Plan, order: Order) -> None:
    inside = dict(plan.labels).get(PRIVATE)
    if inside is not None and not order.private:
        raise UsageError(
            f"{plan.recipe} has {inside} in it, which may not be redistributed",
            hint=f"if {order.to} is private, use --private or `[publish] private = true` in imagefab.toml",
        )


def _require_checked(found: Mapping[str, Checked], plans: Sequence[Plan], images: ImageSet) -> None:
    for plan, image in zip(plans, images.images, strict=True):
        checked = found.get(plan.platform.name)
        command = f"imagefab check {plan.recipe} --platform {plan.platform}"
        if checked is None or checked.plan != plan.key or checked.manifest != image.digest:
            raise CheckError(
                f"{plan.recipe} for {plan.platform} was not checked since it changed",
                hint=f"run `{command}`; --unchecked publishes it anyway",
            )
        if not checked.is_good:
            raise CheckError(
                f"{plan.recipe} for {plan.platform} failed its check: {', '.join(checked.failed)}",
                hint=f"`{command}` shows how; --unchecked publishes it anyway",
            )


def _make_tag(prepared: Prepared, images: ImageSet) -> str:
    """A tag that never moves: the lock's date, for people, and the digest."""
    return f"{format_epoch(prepared.lock.epoch)[:10]}-{images.digest.short}"


def _describe(plan: Plan, image: Image) -> tuple[str, PublishedImage]:
    return plan.platform.name, PublishedImage(
        plan=plan.key,
        manifest=image.digest,
        config=image.config_digest,
        layers=tuple(layer.digest for layer in image.layers),
        keys=tuple(layer.key for layer in image.layers),
    )


def _list_siblings(repository: Repository, others: Iterable[Published]) -> dict[Digest, tuple[Repository, ...]]:
    """For each blob of another recipe's image, one repository on the same registry that has it."""
    found: dict[Digest, tuple[Repository, ...]] = {}
    for other in others:
        place = Repository.parse(other.name)
        if place.host == repository.host and place != repository:
            for _, image in other.images:
                found |= dict.fromkeys((*image.layers, image.config), (place,))
    return found
