"""From an image in the store to a registry: what was checked, and nothing else, under the digest that it has here.

What a recipe's image comes to is known before anything is sent: which host platforms, whether a check found them good,
whether they may go there at all. Then the registry is asked what it lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imagefab.check.record import Checked
from imagefab.digest import Digest
from imagefab.emit.provenance import BUILDER, STATEMENT, make_provenance, read_predicate
from imagefab.emit.published import PUBLISHED_NAME, Published, PublishedImage, print_published
from imagefab.emit.sbom import SPDX, format_epoch, make_sbom
from imagefab.engines.build import find_image
from imagefab.errors import CheckError, StaleError, UsageError
from imagefab.factory import Prepared, find_checked, lock_path
from imagefab.oci.disk import DiskError, make_folder, refuse_way_out, write_atomic
from imagefab.oci.image import INDEX, MANIFEST, Image, ImageSet
from imagefab.oci.store import Store
from imagefab.pinning import find_published
from imagefab.plainfile import BadFileError, read_bytes
from imagefab.plan.model import Input, Plan
from imagefab.progress import Progress
from imagefab.recipe.project import Project
from imagefab.registry.client import Client
from imagefab.registry.manifests import Manifests
from imagefab.registry.push import Attachment, Missing, Parcel, Pushed, find_missing, push
from imagefab.registry.reference import Repository
from imagefab.toolchains.design import PRIVATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for, for all recipes alike."""

    to: str
    """Registry and namespace."""
    platforms: tuple[str, ...] | None = None
    """Their names, or `all` of the recipe's; None for those that were published before, else all that are built."""
    unchecked: bool = False
    private: bool = False
    """Nobody but us can pull from there."""
    attach: bool = True
    moving_tag: str | None = None
    builder: str = BUILDER
    signs: bool = False

    @property
    def must_have_all(self) -> bool:
        """More is asked for than that what was published once is still there."""
        return self.signs or self.moving_tag is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One recipe's image on its way."""

    prepared: Prepared
    published: Published
    """What the record will say."""
    before: Published | None
    """What it says."""
    parcel: Parcel | None
    """None where the store does not have the image any more, and the record says that the registry has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    publication: Publication
    missing: Missing | None
    """None where nothing of it was looked for here."""
    pushed: Pushed

    @property
    def is_news(self) -> bool:
        return self.missing is not None and not self.missing.is_empty


Sign = Callable[[str, bytes | None], None]
"""Signs an image by its reference, and what its provenance says, before a tag leads to it."""


def prepare_publication(
    project: Project, prepared: Prepared, order: Order, store: Store, progress: Progress, *, others: Iterable[Published]
) -> Publication:
    """All that can be wrong before the network is asked. `others` are what was published of the other recipes."""
    recipe = prepared.recipe.name
    repository = Repository.parse(f"{order.to}/{recipe}")
    before = find_published(project, recipe)
    plans = prepared.choose(_choose_platforms(prepared, order, before, store, progress))
    for plan in plans:
        _refuse_private(plan, order)
    found = [(plan, find_image(plan, store, progress)) for plan in plans]
    if any(image is None for _, image in found):
        if before is not None and _is_of(before, repository, plans) and not order.must_have_all:
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
        attachments=tuple(_attach(project, prepared, images, repository, order)) if order.attach else (),
        tag=published.tag,
        moving_tag=order.moving_tag,
        siblings=_list_siblings(repository, others),
    )
    return Publication(prepared=prepared, published=published, before=before, parcel=parcel)


def look(publication: Publication, client: Client, store: Store) -> Missing | None:
    """What the registry lacks of it."""
    if publication.parcel is not None:
        return find_missing(publication.parcel, client, store)
    published = publication.published
    manifests = Manifests(client, Repository.parse(published.name))
    wanted = {published.digest, *(image.manifest for _, image in published.images)}
    if not all(manifests.has(digest) for digest in sorted(wanted)):
        recipe = publication.prepared.recipe.name
        raise StaleError(
            f"{published.registry} has lost {published.reference}, and the store does not have it",
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
    """Write what was published where, when that is news. Outside of a project there is no place for it."""
    published, before = publication.published, publication.before
    if project.shipped or (before is not None and replace(published, when=before.when) == before):
        return
    recipe = publication.prepared.recipe.name
    path = project.images_dir / recipe / PUBLISHED_NAME
    try:
        refuse_way_out(path, project.root)
        make_folder(path.parent)
        text = print_published(recipe, replace(published, when=now))
        write_atomic(path, text.encode(), within=project.root)
    except (DiskError, OSError) as error:
        raise DiskError(
            f"{recipe} is published, but {project.show(path)} can't be written: {error}",
            hint=f"it has to say {published.reference}; publish again when it can be written",
        ) from None
    progress.say(f"{project.show(path)} written")


def _choose_platforms(
    prepared: Prepared,
    order: Order,
    before: Published | None,
    store: Store,
    progress: Progress,
) -> Sequence[str]:
    """What people pull must not lose a platform because a machine happened not to build it."""
    if order.platforms == ("all",):
        return prepared.recipe.platforms
    if order.platforms is not None:
        return order.platforms
    if before is not None and before.name == f"{order.to}/{prepared.recipe.name}":
        kept = [platform.name for platform in before.platforms if platform.name in prepared.recipe.platforms]
        if kept:
            return kept
    built = [plan.platform.name for plan in prepared.plans if find_image(plan, store, progress) is not None]
    if left := [name for name in prepared.recipe.platforms if built and name not in built]:
        progress.warn(f"{prepared.recipe.name}: not built for {', '.join(left)}, so that is not a part of it")
    return built or [prepared.default_platform]


def count_free_layers(plan: Plan) -> int:
    """How many layers, from the lowest up, may be passed on: those below the first with a file that may not."""
    inside = dict(plan.labels).get(PRIVATE)
    if inside is None:
        return len(plan.layers)
    found = (n for n, layer in enumerate(plan.layers) if any(_is_among(given, inside) for given in layer.inputs))
    return next(found, 0)


def _is_among(given: Input, names: str) -> bool:
    return f" {given.path.rpartition('/sources/')[2]} " in f" {names} "


def _refuse_private(plan: Plan, order: Order) -> None:
    inside = dict(plan.labels).get(PRIVATE)
    if inside is not None and not order.private:
        raise UsageError(
            f"{plan.recipe} has {inside} in it, which may not be passed on",
            hint=f"if only you can pull from {order.to}: --private, or `[publish] private = true` in imagefab.toml",
        )


def _require_checked(found: Mapping[str, Checked], plans: Sequence[Plan], images: ImageSet) -> None:
    for plan, image in zip(plans, images.images, strict=True):
        checked = found.get(plan.platform.name)
        command = f"imagefab check {plan.recipe} --platform {plan.platform}"
        if checked is None or checked.plan != plan.key or checked.manifest != image.digest:
            raise CheckError(
                f"{plan.recipe} for {plan.platform} was not checked as it is now",
                hint=f"run `{command}`; --unchecked publishes it all the same",
            )
        if not checked.is_good:
            raise CheckError(
                f"{plan.recipe} for {plan.platform} failed its check: {', '.join(checked.failed)}",
                hint=f"`{command}` says how; --unchecked publishes it all the same",
            )


def _is_of(before: Published, repository: Repository, plans: Sequence[Plan]) -> bool:
    """Whether that is what was published: the same plans, at the same place."""
    plans_then = {platform: image.plan for platform, image in before.images}
    return before.name == str(repository) and plans_then == {plan.platform.name: plan.key for plan in plans}


def _make_tag(prepared: Prepared, images: ImageSet) -> str:
    """One image's tag for ever: the lock's date, for people, and its digest."""
    return f"{format_epoch(prepared.lock.epoch)[:10]}-{images.digest.short}"


def _describe(plan: Plan, image: Image) -> tuple[str, PublishedImage]:
    return plan.platform.name, PublishedImage(
        plan=plan.key,
        manifest=image.digest,
        config=image.config_digest,
        layers=tuple(layer.digest for layer in image.layers),
        keys=tuple(layer.key for layer in image.layers),
    )


def _attach(
    project: Project, prepared: Prepared, images: ImageSet, repository: Repository, order: Order
) -> Iterable[Attachment]:
    """A list of what is in each platform's image, and how all of them were made."""
    lock, target = prepared.lock, prepared.recipe.target.triple
    created = format_epoch(lock.epoch)
    for image in images.images:
        yield Attachment(
            subject=image.digest,
            subject_type=MANIFEST,
            subject_size=len(image.manifest),
            kind=SPDX,
            data=make_sbom(lock, image.platform.name, target),
            created=created,
        )
    top = images.index or images.images[0].manifest
    yield Attachment(
        subject=images.digest,
        subject_type=INDEX if images.index is not None else MANIFEST,
        subject_size=len(top),
        kind=STATEMENT,
        data=make_provenance(
            str(repository),
            images,
            lock,
            target=target,
            files=_hash_files(project, prepared),
            plans={plan.platform.name: plan.key for plan in prepared.plans},
            builder=order.builder,
        ),
        created=created,
    )


def _hash_files(project: Project, prepared: Prepared) -> dict[str, Digest]:
    """What people reviewed."""
    name = prepared.recipe.name
    found = {}
    for path in (project.root / prepared.recipe.file, lock_path(project, name)):
        try:
            found[path.relative_to(project.root).as_posix()] = Digest.of_bytes(read_bytes(path, 16 << 20))
        except (BadFileError, ValueError):
            continue
    return found


def _list_siblings(repository: Repository, others: Iterable[Published]) -> dict[Digest, tuple[Repository, ...]]:
    """One repository of the same registry for each blob that another recipe's image has."""
    found: dict[Digest, tuple[Repository, ...]] = {}
    for other in others:
        place = Repository.parse(other.name)
        if place.host == repository.host and place != repository:
            for _, image in other.images:
                found |= dict.fromkeys((*image.layers, image.config), (place,))
    return found
