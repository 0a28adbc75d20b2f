"""Images that imagefab did not build: found in the local Docker or Podman, or loaded there from an OCI layout."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from imagefab.engines.choose import AUTO
from imagefab.engines.container import ContainerEngine
from imagefab.engines.docker import DockerEngine
from imagefab.engines.podman import PodmanEngine
from imagefab.errors import EngineError, ImagefabError, UsageError
from imagefab.oci.layout import write_loadable
from imagefab.oci.parts import BadImageError, ImageParts, LayerPart, LayoutSource
from imagefab.platforms import HOST_PLATFORMS, HostPlatform, machine_platform
from imagefab.registry.reference import refuse_login
from imagefab.store.store import Store

_PATIENCE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignImage:
    """An image that a container engine has."""

    name: str
    engine: ContainerEngine
    platform: HostPlatform
    id: str
    env: dict[str, str]
    labels: dict[str, str]
    entrypoint: tuple[str, ...]


class BrokenImageError(ImagefabError):
    """An image that can't be used at all."""

    exit_code = 8


def find_foreign(name: str, platform: HostPlatform | None = None, *, engine: str = AUTO) -> ForeignImage:
    """Find an image in Docker, else in Podman. It must be for the platform, if one is given."""
    refuse_login(name)
    engines = _list_engines(engine)
    for one in engines:
        found = _inspect(one, name)
        if found is not None:
            image = _read_inspection(name, one, found)
            if platform not in (None, image.platform):
                raise UsageError(f"{name} is an image for {image.platform}, and not for {platform}")
            return image
    told = " or ".join(one.name for one in engines)
    if name.startswith((".", "/")):
        raise UsageError(f"there is no OCI layout at {name}", hint="a folder with a file oci-layout in it is one")
    raise UsageError(f"{told} has no image {name}", hint=f"`{engines[0].name} pull {name}` brings it")


@contextmanager
def open_layout(
    folder: Path, store: Store, platform: HostPlatform | None = None, *, engine: str = AUTO
) -> Iterator[ForeignImage]:
    """Load the image of an OCI layout while the context lasts.

    Of several, it is the one for `platform`, else for this machine.
    """
    source, image = _read_layout(folder, platform)
    chosen = _list_engines(engine)[0]
    with chosen.claim(store) as claim:
        with tempfile.TemporaryDirectory(dir=store.scratch_folder()) as place:
            archive = Path(place) / "image.tar"
            with archive.open("wb") as out:
                _write_archive(source, image, claim.subject, out)
            chosen.load(archive)
        inspected = _inspect(chosen, claim.subject)
        if inspected is None:
            raise EngineError(f"{chosen.name} took the image of {folder} and does not have it")
        yield _read_inspection(claim.subject, chosen, inspected)


def _list_engines(name: str) -> list[ContainerEngine]:
    engines: list[ContainerEngine] = [DockerEngine(), PodmanEngine("podman")]
    wanted = [engine for engine in engines if name in (AUTO, engine.name)]
    if not wanted:
        raise UsageError(f"{name} runs only images that imagefab built; use Docker or Podman for others")
    found = [engine for engine in wanted if engine.answers()]
    if not found:
        told = " or ".join(engine.name.capitalize() for engine in wanted)
        raise EngineError(f"there is no {told} to inspect images with", hint="`imagefab doctor` says more")
    return found


def _inspect(engine: ContainerEngine, name: str) -> dict[str, Any] | None:
    if name.startswith("-"):
        raise UsageError(f"{name!r} is not an image name")
    command = [*engine.client(), "image", "inspect", "--", name]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"{engine.name} does not answer: {error}") from error
    if found.returncode != 0:
        return None
    value = json.loads(found.stdout)
    return value[0] if value else None


def _read_inspection(name: str, engine: ContainerEngine, value: dict[str, Any]) -> ForeignImage:
    config = value.get("Config") or {}
    return ForeignImage(
        name=name,
        engine=engine,
        platform=_find_platform(name, value.get("Os"), value.get("Architecture")),
        id=str(value.get("Id") or ""),
        env=dict(pair.split("=", 1) for pair in config.get("Env") or [] if "=" in pair),
        labels=config.get("Labels") or {},
        entrypoint=tuple(config.get("Entrypoint") or ()),
    )


def _find_platform(name: str, system: object, architecture: object) -> HostPlatform:
    if system != "linux":
        told = system if isinstance(system, str) and system.isalnum() else "no system that has a name"
        raise BrokenImageError(f"{name} is an image for {told}; cross runs Linux images")
    platform = HOST_PLATFORMS.get(f"linux/{architecture}")
    if platform is None:
        kind = architecture if isinstance(architecture, str) and architecture.isalnum() else "no kind of"
        told = f"{name} is an image for {kind} machines"
        raise BrokenImageError(f"{told}; cross runs on amd64 and arm64")
    return platform


def _check_config(folder: Path, config: object) -> None:
    """Reject a malformed config here, before an engine does in its own words."""
    said = _or(config.get("config"), {}) if isinstance(config, dict) else None
    lists, maps = ("Env", "Entrypoint", "Cmd"), ("Labels",)
    if (
        not isinstance(said, dict)
        or not all(_is_list_of_texts(_or(said.get(key), [])) for key in lists)
        or not all(_is_map_of_texts(_or(said.get(key), {})) for key in maps)
    ):
        raise BrokenImageError(f"{folder}: its config is not an image config")


def _or(value: object, default: object) -> Any:
    return default if value is None else value


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_map_of_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


# -- OCI layouts ------------------------------------------------------------------------------------------------------


def _read_layout(folder: Path, platform: HostPlatform | None) -> tuple[LayoutSource, ImageParts]:
    try:
        source = LayoutSource(folder)
        images = source.images
        image = images.get((platform or machine_platform()).name) or next(iter(images.values()), None)
    except BadImageError as error:
        raise BrokenImageError(str(error), hint=error.hint) from None
    if image is None:
        raise BrokenImageError(f"{folder}: its index lists no image")
    config = json.loads(image.config_data)
    found = _find_platform(str(folder), config.get("os"), config.get("architecture"))
    _check_config(folder, config)
    if platform not in (None, found):
        raise UsageError(f"{folder} has an image for {found}, but none for {platform}")
    return source, image


def _write_archive(source: LayoutSource, image: ImageParts, name: str, out: IO[bytes]) -> None:
    """In the format of `docker load`."""

    def open_layer(layer: LayerPart) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked closes it
        try:
            source.fetch(layer, file)
        except BadImageError as error:
            file.close()
            raise BrokenImageError(str(error)) from None
        return file

    layers = ((f"{number}/layer.tar", partial(open_layer, layer)) for number, layer in enumerate(image.layers))
    write_loadable(out, name, (f"{image.config.hex}.json", image.config_data), layers)
