"""Put images into the local Docker or Podman, where people find them as localhost/imagefab/<recipe>:latest.

An image's id there is the digest of its config, which is how it is seen to be exactly the image that was built. It is
loaded by a name with its digest in it, which no other image gets and a local Cross.toml pins; the plain name moves. So
commands run in images by the name with the digest, and what is loaded for them stays there for the next one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from imagefab.engines.container import ContainerEngine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError
from imagefab.oci.disk import STORE, explain_disk_errors
from imagefab.oci.image import LOCAL_NAMESPACE, Image, ImageSet, local_pin
from imagefab.oci.layout import write_archive
from imagefab.oci.store import Store
from imagefab.platforms import machine_platform
from imagefab.progress import Progress


def load_images(images: ImageSet, store: Store, progress: Progress) -> Iterator[tuple[str, str]]:
    """Load the images; gives each name and the engine that has it. Other platforms than ours are named in the tag."""
    engine = _find_engine()
    for image in images.images:
        name = f"{LOCAL_NAMESPACE}/{images.recipe}:latest"
        if image.platform != machine_platform():
            name = f"{name}-{image.platform.oci_arch}"
        pin = provide_image(engine, images.recipe, image, store, progress)
        engine.tag(pin, name)
        yield name, engine.name


def provide_image(engine: ContainerEngine, recipe: str, image: Image, store: Store, progress: Progress) -> str:
    """The name by which the engine has the image; it is loaded when it does not have it yet."""
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


def make_loaded_check() -> Callable[[str], bool]:
    """Whether the engine that images are loaded into has one of a name."""
    return _find_engine().has


def _find_engine() -> ContainerEngine:
    """Loading needs an engine, not one that can build."""
    for engine in (DockerEngine(), PodmanEngine()):
        if engine.answers():
            return engine
    raise EngineError("there is no Docker or Podman for local images", hint="`imagefab doctor` says what they need")
