"""Find the image to pin in a Cross.toml: the published one, or else the one in the store for the current lock.

Published images are found by images/<recipe>/published.toml, so a checkout is enough to pin them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from imagefab.cross.cross_toml import Entry, list_images, list_references, update_cross_toml
from imagefab.cross.file import UserFile, locate, place_remarks, write_user_file
from imagefab.cross.pin import BY_DIGEST, Pin
from imagefab.cross.profile import guess_profile
from imagefab.engines.build import find_image
from imagefab.errors import StaleError, UsageError, raise_all
from imagefab.flows.prepare import Prepared, choose_platforms, prepare_recipe
from imagefab.oci.image import LOCAL_NAMESPACE, ImageSet, local_pin
from imagefab.platforms import HOST_PLATFORMS, HostPlatform
from imagefab.progress import Progress, SilentProgress
from imagefab.recipe.model import Recipe
from imagefab.recipe.project import Project
from imagefab.records.published import PUBLISHED_NAME, Published, find_published
from imagefab.store.store import Store
from imagefab.toolchains.runners.table import make_runner


def find_pin(project: Project, recipe: Recipe, store: Store, progress: Progress, *, to: str | None = None) -> Pin:
    """The reference to pull a recipe's image by: as published, or else as built for the lock.

    A published image stays pinned when the lock has moved on, with a warning, since nothing else can be pulled. A built
    image is found by the lock, so a build from before a change never stands in for it. `to` is the registry and
    namespace to pull from, if not where images were published.
    """
    published = find_published(project, recipe.name)
    if published is not None:
        _warn_if_moved(project, recipe, published, store, progress)
        name = published.name if to is None else f"{to}/{recipe.name}"
        return Pin(reference=f"{name}@{published.digest}", digest=published.digest, platforms=published.platforms)
    namespace = to or project.settings.publish_to
    if namespace is None:
        raise UsageError(
            f"{recipe.name} is not published",
            hint="`--to REGISTRY/NAMESPACE`, or `[publish] to` in imagefab.toml, says where it will be; `--local` pins "
            f"an image loaded by `imagefab build {recipe.name} --load`",
        )
    images = _find_images(project, recipe, store)
    if not images.images:
        raise _not_built(recipe, "build {}")
    return Pin(
        reference=f"{namespace}/{images.reference}",
        digest=images.digest,
        platforms=tuple(image.platform for image in images.images),
        is_there=False,
    )


def find_local_pin(
    project: Project, recipe: Recipe, store: Store, is_loaded: Callable[[str], bool], *, engine: str = "auto"
) -> Pin:
    """The name of the lock's image in this machine's engine. `is_loaded` asks the engine for a name."""
    command = "build {} --load" if engine == "auto" else f"build {{}} --engine {engine} --load"
    (platform,) = (HOST_PLATFORMS[name] for name in choose_platforms(recipe))
    images = _find_images(project, recipe, store, [platform])
    if not images.images:
        raise _not_built(recipe, command)
    reference = local_pin(recipe.name, images.digest)
    if not is_loaded(reference):
        raise StaleError(
            f"{recipe.name} is not loaded: the engine has no {reference}",
            hint=f"run `imagefab {command.format(recipe.name)}`",
        )
    return Pin(reference=reference, digest=images.digest, platforms=(platform,))


def find_built(
    prepared: Prepared, store: Store, progress: Progress, platforms: Sequence[HostPlatform] | None = None
) -> ImageSet:
    """A recipe's images in the store, possibly none."""
    wanted = {platform.name for platform in platforms or ()}
    names = [name for name in prepared.recipe.platforms if platforms is None or name in wanted]
    found = [find_image(plan, store, progress) for plan in (prepared.choose_plans(names) if names else ())]
    return ImageSet(recipe=prepared.recipe.name, images=tuple(image for image in found if image is not None))


def list_runners(recipe: Recipe, platforms: Iterable[HostPlatform]) -> dict[str, frozenset[str]]:
    """The possible values of CROSS_RUNNER in the recipe's image, by host platform."""
    return {platform.name: frozenset(make_runner(recipe, platform).choices) for platform in platforms}


def _find_images(
    project: Project, recipe: Recipe, store: Store, platforms: Sequence[HostPlatform] | None = None
) -> ImageSet:
    """The lock's images in the store, for all of the recipe's platforms or for some."""
    return find_built(prepare_recipe(project, recipe), store, SilentProgress(), platforms)


def _not_built(recipe: Recipe, command: str) -> StaleError:
    return StaleError(
        f"{recipe.name} has no image to pin: none is built from its lock",
        hint=f"run `imagefab {command.format(recipe.name)}`",
    )


def _warn_if_moved(project: Project, recipe: Recipe, published: Published, store: Store, progress: Progress) -> None:
    """Warn if the lock now makes an image other than the published one, as far as is known without building."""
    try:
        images = _find_images(project, recipe, store, published.platforms)
    except StaleError as error:
        progress.warn(f"{recipe.name}: keeping the published pin: {error.problem}")
        return
    if len(images.images) == len(published.platforms) and images.digest != published.digest:
        progress.warn(f"{recipe.name}: keeping the published pin; the lock makes {images.digest}")


# -- pins in use ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PinInUse:
    reference: str
    places: tuple[str, ...]
    """Where it is used, formatted for output."""


def list_pins_in_use(project: Project, published: Mapping[str, Published], files: Iterable[UserFile]) -> list[PinInUse]:
    """Published images and digests pinned in Cross.toml files, each once, with all places."""
    places: dict[str, list[str]] = {}
    for name, one in published.items():
        places.setdefault(one.reference, []).append(project.show(project.images_dir / name / PUBLISHED_NAME))
    for file in files:
        for keys, reference in list_images(file.data):
            if BY_DIGEST.match(reference) and not reference.startswith(f"{LOCAL_NAMESPACE}/"):
                places.setdefault(reference, []).append(str(locate(file, keys)))
    return [PinInUse(reference=reference, places=tuple(found)) for reference, found in sorted(places.items())]


def update_pins(
    file: UserFile,
    project: Project,
    recipes: Iterable[Recipe],
    published: Mapping[str, Published],
    *,
    before: Mapping[str, Published],
    store: Store,
    progress: Progress,
) -> UserFile:
    """Update the recipes' images in a Cross.toml to what is published now; the file is written if it changes.

    `before` is what was published when this run began, perhaps elsewhere.
    """
    named = list_references(file.data)
    entries = []
    for recipe in recipes:
        names = {known[recipe.name].name for known in (published, before) if recipe.name in known}
        now = named.get(recipe.target.triple, "")
        if recipe.name in published and any(re.fullmatch(rf"{re.escape(name)}([:@].*)?", now) for name in names):
            pin = find_pin(project, recipe, store, progress)
            runners = list_runners(recipe, pin.platforms)
            entries.append(Entry(recipe=recipe.name, triple=recipe.target.triple, pin=pin, runners=runners))
    custom = {path.stem for path in file.path.parent.glob("*.json")}
    update = update_cross_toml(file.text, entries, guess_profile(file.data), custom=custom)
    if update.is_refused:
        raise_all([error for remark, error in place_remarks(file, update.remarks) if remark.fatal])
    return write_user_file(file, update.text) if update.differences else file
