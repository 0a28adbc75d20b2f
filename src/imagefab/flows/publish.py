"""Publish images from the store to a registry: exactly what was checked, under the same digest.

Everything about a recipe's image is settled before anything is sent: its host platforms, whether they passed their
check, and whether they may be published there at all. Then the registry is asked what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imagefab.attest.provenance import BUILDER, STATEMENT, read_predicate
from imagefab.attest.sbom import format_epoch
from imagefab.attest.sign import Signer
from imagefab.digest import Digest
from imagefab.engines.build import find_image
from imagefab.errors import CheckError, ImagefabError, StaleError, UsageError
from imagefab.files.disk import DiskError, make_folder, refuse_way_out, write_atomic
from imagefab.flows.attachments import make_attachments
from imagefab.flows.prepare import Prepared
from imagefab.flows.workspace import Workspace
from imagefab.oci.image import Image, ImageSet
from imagefab.plan.model import Plan, list_keys
from imagefab.printable import format_size
from imagefab.progress import Progress
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.project import Project
from imagefab.records.checked import Checked, find_checked
from imagefab.records.published import (
    PUBLISHED_NAME,
    Published,
    PublishedImage,
    find_published,
    list_published,
    render_published,
)
from imagefab.registry.client import Client
from imagefab.registry.manifests import Manifests
from imagefab.registry.push import Missing, Parcel, Pushed, find_missing, push
from imagefab.registry.reference import Repository
from imagefab.store.store import Store
from imagefab.toolchains.design import PRIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRequest:
    recipes: tuple[str, ...] | None
    """None means all."""
    to: str | None = None
    """Registry and namespace; None means those in imagefab.toml."""
    platforms: tuple[str, ...] = ()
    """Empty means those published before, or else all that are built."""
    unchecked: bool = False
    private: bool = False
    """Whether the registry is private."""
    attach: bool = True
    sign_key: str | None = None
    """A key file or a KMS URI; None means the one in imagefab.toml."""
    dry_run: bool = False


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


# -- the flow ----------------------------------------------------------------------------------------------------------


def publish(workspace: Workspace, request: PublishRequest) -> Iterator[Delivery | ImagefabError]:
    """Publish one recipe after another. A failed recipe doesn't stop the others."""
    make_order(workspace, request)
    prepared = workspace.prepare(request.recipes)
    workspace.use_store()
    publisher = Publisher(workspace, request)
    for one in prepared:
        try:
            yield publisher.publish(one)
        except ImagefabError as error:
            yield error


def make_order(workspace: Workspace, request: PublishRequest) -> Order:
    settings = workspace.project.settings
    to = request.to or settings.publish_to
    if to is None:
        raise UsageError(
            "no registry given", hint="use `--to REGISTRY/NAMESPACE`, or set `[publish] to` in imagefab.toml"
        )
    return Order(
        to=to,
        platforms=request.platforms,
        unchecked=request.unchecked,
        private=request.private or settings.publish_private,
        attach=request.attach,
        moving_tag=settings.publish_tag,
        builder=settings.publish_builder or BUILDER,
        signs=(request.sign_key or settings.sign_key) is not None,
    )


class Publisher:
    """Publishes recipes, and keeps track of what the registry has by now."""

    def __init__(self, workspace: Workspace, request: PublishRequest) -> None:
        self._workspace = workspace
        self._registries = workspace.registries
        self._order = make_order(workspace, request)
        self._sign = _choose_signer(workspace, request.sign_key)
        self._dry_run = request.dry_run
        self._known = list_published(workspace.project, list_recipes(workspace.project), workspace.progress)
        """What is published, by recipe: blobs that siblings may have are not sent."""

    def publish(self, prepared: Prepared, platforms: tuple[str, ...] = ()) -> Delivery:
        """Publish a recipe, for `platforms` if they differ from the request's."""
        workspace, name = self._workspace, prepared.recipe.name
        if f"{self._order.to}/{name}" == workspace.project.settings.layers:
            raise UsageError(
                f"{name} would be published to the repository of shared layers",
                hint="use another repository for `[publish] layers`",
            )
        others = [published for recipe, published in self._known.items() if recipe != name]
        order = replace(self._order, platforms=platforms or self._order.platforms)
        publication = prepare_publication(
            workspace.project, prepared, order, workspace.store, workspace.progress, others=others
        )
        client = self._registries.open(publication.published.registry)
        missing = look(publication, client, workspace.store)
        if self._dry_run:
            return Delivery(publication=publication, missing=missing, pushed=Pushed())
        delivery = deliver(publication, missing, client, workspace.progress, self._sign)
        record_publication(workspace.project, publication, workspace.now, workspace.progress)
        self._known[name] = publication.published
        return delivery


def _choose_signer(workspace: Workspace, asked: str | None) -> Sign | None:
    configured = workspace.project.settings.sign_key
    surroundings = workspace.surroundings
    key, folder = (asked, surroundings.folder) if asked is not None else (configured, workspace.project.root)
    if key is None:
        return None
    return Signer(key, folder, workspace.progress, workspace.keyring, surroundings.environment).sign


# -- one recipe --------------------------------------------------------------------------------------------------------


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
