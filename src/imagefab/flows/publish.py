"""Publish images from the store to a registry: exactly what was checked, under the same digest.

One recipe after another is published, and then the namespace's catalogue is brought up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from imagefab.attest.provenance import BUILDER
from imagefab.attest.sign import Signer
from imagefab.errors import FetchError, ImagefabError, UsageError
from imagefab.flows.catalogue import Keeper, Kept, list_entries
from imagefab.flows.prepare import Prepared
from imagefab.flows.publication import (
    Delivery,
    Order,
    Publication,
    deliver,
    look,
    prepare_publication,
    record_publication,
)
from imagefab.flows.workspace import Workspace
from imagefab.recipe.loader import list_recipes
from imagefab.records.catalogue import NAME as CATALOGUE
from imagefab.records.published import (
    Published,
    list_published,
)
from imagefab.registry.push import Pushed


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


def publish(workspace: Workspace, request: PublishRequest) -> Iterator[Delivery | Kept | ImagefabError]:
    """Publish one recipe after another, and then the catalogue. A failed recipe doesn't stop the others."""
    make_order(workspace, request)
    prepared = workspace.prepare(request.recipes)
    workspace.use_store()
    publisher = Publisher(workspace, request)
    for one in prepared:
        try:
            yield publisher.publish(one)
        except ImagefabError as error:
            yield error
    if not publisher.delivered or not workspace.project.settings.publish_catalogue:
        return
    try:
        yield publisher.keep_catalogue(look_up=request.recipes is None)
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
        self._signer = _choose_signer(workspace, request.sign_key)
        self._dry_run = request.dry_run
        self._known = list_published(workspace.project, list_recipes(workspace.project), workspace.progress)
        """What is published, by recipe: blobs that siblings may have are not sent."""
        self.delivered: dict[str, tuple[Prepared, Published]] = {}

    def publish(self, prepared: Prepared, platforms: tuple[str, ...] = ()) -> Delivery:
        """Publish a recipe, for `platforms` if they differ from the request's."""
        workspace, name = self._workspace, prepared.recipe.name
        _refuse_place(f"{self._order.to}/{name}", workspace.project.settings.layers)
        others = [published for recipe, published in self._known.items() if recipe != name]
        order = replace(self._order, platforms=platforms or self._order.platforms)
        publication = prepare_publication(
            workspace.project, prepared, order, workspace.store, workspace.progress, others=others
        )
        client = self._registries.open(publication.published.registry)
        missing = look(publication, client, workspace.store)
        if self._dry_run:
            return Delivery(publication=publication, missing=missing, pushed=Pushed())
        sign = None if self._signer is None else self._signer.sign
        delivery = deliver(publication, missing, client, workspace.progress, sign)
        record_publication(workspace.project, publication, workspace.now, workspace.progress)
        self._known[name] = publication.published
        self.delivered[name] = (prepared, _date(publication))
        return delivery

    def keep_catalogue(self, *, look_up: bool) -> Kept:
        """Bring the namespace's catalogue up to date. With `look_up`, it drops images that the registry has lost."""
        workspace, to = self._workspace, self._order.to
        client = self._registries.open(to.partition("/")[0])
        keeper = Keeper(client, to, workspace.progress, self._signer)
        try:
            entries = list_entries(workspace, to, keeper.read(), self.delivered)
            return keeper.keep(entries, workspace.now, look_up=look_up)
        except FetchError as error:
            raise FetchError(
                f"the catalogue {to}/{CATALOGUE} can't be kept: {error.problem}",
                hint="the images are published; publish again once it can, or set `[publish] catalogue = false`",
            ) from None


def _refuse_place(name: str, layers: str | None) -> None:
    if name == layers:
        raise UsageError(
            f"{name.rpartition('/')[2]} would be published to the repository of shared layers",
            hint="use another repository for `[publish] layers`",
        )
    if name.rpartition("/")[2] == CATALOGUE:
        raise UsageError(f"{name} is where the catalogue is", hint="rename the recipe")


def _date(publication: Publication) -> Published:
    """What was published, with the date of when that image was published first, if it is on record."""
    published, before = publication.published, publication.before
    is_known = before is not None and (before.name, before.digest) == (published.name, published.digest)
    return replace(published, when=before.when) if before is not None and is_known else published


def _choose_signer(workspace: Workspace, asked: str | None) -> Signer | None:
    configured = workspace.project.settings.sign_key
    surroundings = workspace.surroundings
    key, folder = (asked, surroundings.folder) if asked is not None else (configured, workspace.project.root)
    if key is None:
        return None
    return Signer(key, folder, workspace.progress, workspace.keyring, surroundings.environment)
