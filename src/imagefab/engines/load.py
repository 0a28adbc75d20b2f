"""Load images into the local Docker or Podman, as localhost/imagefab/<recipe>:latest.

An image's id there is the digest of its config, which shows that it is exactly the image that was built. It is loaded
under a name that contains its digest, which no other image gets and which a local Cross.toml pins; the plain name
moves. So commands run in images by the name with the digest, and what is loaded for one command stays for the next.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from imagefab.engines.container import ContainerEngine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError
from imagefab.files.disk import STORE, explain_disk_errors
from imagefab.oci.image import LOCAL_NAMESPACE, Image, ImageSet, local_pin
from imagefab.oci.layout import write_archive
from imagefab.platforms import machine_platform
from imagefab.progress import Progress
from imagefab.store.store import Store


def load_images(
    images: ImageSet, engine: ContainerEngine, store: Store, progress: Progress
) -> Iterator[tuple[str, str]]:
    """Load the images, yielding each name and its engine. The tag names a platform that is not this machine's."""
    for image in images.images:
        name = f"{LOCAL_NAMESPACE}/{images.recipe}:latest"
        if image.platform != machine_platform():
            name = f"{name}-{image.platform.oci_arch}"
        pin = provide_image(engine, images.recipe, image, store, progress)
        engine.tag(pin, name)
        yield name, engine.name


def provide_image(engine: ContainerEngine, recipe: str, image: Image, store: Store, progress: Progress) -> str:
    """Return the image's name in the engine, loading the image if it is not there yet."""
    pin = local_pin(recipe, image.digest)
    if not engine.has(pin):
        _load_image(engine, image, pin, store, progress)
    return pin


def _load_image(engine: ContainerEngine, image: Image, name: str, store: Store, progress: Progress) -> None:
    task = progress.start(f"load {name} into {engine.name}")
    with tempfile.TemporaryDirectory(dir=store.scratch_folder()) as folder:
        archive = Path(folder) / "image.tar"
        with explain_disk_errors(archive, STORE), archive.open("wb") as out:
            write_archive(image, name, store, out)
        engine.load(archive)
    task.finish()


def make_loaded_check(name: str) -> Callable[[str], bool]:
    """Return a function that says whether the engine that images are loaded into has one of a given name."""
    return find_local_engine(name).has


def find_local_engine(name: str) -> ContainerEngine:
    """Return the engine of that name, else the first that answers; for loading, it need not be able to build."""
    engines: dict[str, type[DockerEngine | PodmanEngine]] = {"docker": DockerEngine, "podman": PodmanEngine}
    for make in [engines[name]] if name in engines else engines.values():
        engine = make()
        if engine.answers():
            return engine
    what = f"{name} does not answer" if name in engines else "there is no Docker or Podman for local images"
    raise EngineError(what, hint="`imagefab doctor` says what it needs")
