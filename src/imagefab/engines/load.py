"""Put images into the local Docker or Podman, under a name by which people find them: imagefab/<recipe>:latest.

An image's id there is the digest of its config, which is how it is seen to be exactly the image that was built. It is
loaded by a name with its digest in it, which no other image gets and a local Cross.toml pins; the plain name moves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from imagefab.engines.container import ContainerEngine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError
from imagefab.oci.image import LOCAL_NAMESPACE, Image, ImageSet, local_pin
from imagefab.oci.layout import write_archive
from imagefab.oci.store import STORE, Store, explain_disk_errors
from imagefab.platforms import machine_platform
from imagefab.progress import Progress


def local_name(recipe: str) -> str:
    return f"{LOCAL_NAMESPACE}/{recipe}:latest"


def load_images(images: ImageSet, store: Store, progress: Progress) -> Iterator[tuple[str, str]]:
    """Load the images; gives each name and the engine that has it. Other platforms than ours are named in the tag."""
    engine = _find_engine()
    for image in images.images:
        name = local_name(images.recipe)
        if image.platform != machine_platform():
            name = f"{name}-{image.platform.oci_arch}"
        pin = local_pin(images.recipe, image.digest)
        load_image(engine, image, pin, store, progress)
        engine.tag(pin, name)
        yield name, engine.name


def load_image(engine: ContainerEngine, image: Image, name: str, store: Store, progress: Progress) -> None:
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
