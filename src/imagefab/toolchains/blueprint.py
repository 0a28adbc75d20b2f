"""The Blueprint: a recipe for one host platform, expanded into layers that ask for packages, files and steps.

Locking resolves it and planning turns it into steps. Layers run from the most shared to the least, and a layer asks
only for what the layers below it lack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagefab.digest import Digest
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import AnySource, Archive, FileSpec, OwnFileSpec, RunSpec, WheelSpec

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH in an image, and in the steps that build it."""

GLIBC_CLAIM = "imagefab.glibc"
"""The label that claims the newest glibc that binaries linked in the image need."""

CPU_CLAIM = "imagefab.cpu"
"""The label that names the processor that programs run on in the image, as QEMU writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractSpec:
    """A single file from a package that is not installed, such as one emulator from a package of all emulators."""

    package: str
    member: str
    """The absolute path in the package."""
    path: str
    """The absolute path in the image."""
    mode: int = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class TarballSpec:
    """Files from a package, or from a tarball in it, for the layer's steps. The package is not installed."""

    name: str
    """Steps read it as $SOURCES/<name>: a plain tar, without the tarball's top folder."""
    package: str
    member: str = ""
    """The tarball's absolute path in the package; * matches what changes with the version. If empty, the files are the
    package's own."""
    keep: tuple[str, ...]
    """Patterns of paths, of which one must match; * does not match a slash, ** does."""
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    name: str
    comment: str
    """One line for readers of the Dockerfile."""
    architectures: tuple[str, ...] = ()
    """Foreign Debian architectures that the layer adds."""
    packages: tuple[str, ...] = ()
    """Debian packages, `name` or `name:architecture`."""
    extracts: tuple[ExtractSpec, ...] = ()
    tarballs: tuple[TarballSpec, ...] = ()
    opened_from: str | None = None
    """The suite of the opened packages, if it is not one of the image's own."""
    folders: tuple[str, ...] = ()
    """Folders that must exist, empty or not."""
    files: tuple[FileSpec, ...] = ()
    sources: tuple[AnySource, ...] = ()
    run: tuple[RunSpec, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    """The environment of the scripts in `run`; empty if there are none."""
    is_base: bool = False
    """A base's layer, which all images on that base have."""
    filters: tuple[str, ...] = ()
    """dpkg's options that leave files of the packages out; empty if there are no packages."""

    @property
    def opened(self) -> tuple[str, ...]:
        """The packages from which files are taken without installing them."""
        return tuple(dict.fromkeys([*(e.package for e in self.extracts), *(t.package for t in self.tarballs)]))

    @property
    def is_empty(self) -> bool:
        return not (self.architectures or self.packages or self.extracts or self.folders or self.files or self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    recipe: str
    target: str
    platform: HostPlatform
    archives: tuple[Archive, ...]
    layers: tuple[LayerSpec, ...]
    """The first is bootstrapped from the archive's essential packages and its own."""
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    opened_archives: tuple[Archive, ...] = ()
    """Archives that layers may take files from; nothing is installed from them."""
    has_own_libc: bool = False
    """Whether the toolchain links against another C library than the archive's."""

    def describe(self) -> dict[str, Any]:
        """Return all of it as plain values, from which a lock's `inputs` digest is computed."""
        return {
            "recipe": self.recipe,
            "target": self.target,
            "platform": self.platform.name,
            "archives": [[a.name, a.archive, a.suite, list(a.components)] for a in self.archives],
            "layers": [_describe_layer(layer) for layer in self.layers],
            "env": [list(pair) for pair in self.env],
            "labels": [list(pair) for pair in self.labels],
        }


def _describe_source(source: AnySource) -> list[str]:
    match source:
        case WheelSpec():
            return [source.name, "wheel", source.project, source.version]
        case OwnFileSpec():
            return [source.name, "file"]
        case _:
            return [source.name, source.url, str(source.sha256)]


def _describe_layer(layer: LayerSpec) -> dict[str, Any]:
    return {
        "name": layer.name,
        "architectures": list(layer.architectures),
        "packages": list(layer.packages),
        "extracts": [[e.package, e.member, e.path, e.mode] for e in layer.extracts],
        "tarballs": [[t.name, t.package, t.member, list(t.keep), list(t.drop)] for t in layer.tarballs],
        "folders": list(layer.folders),
        "files": [[f.path, str(Digest.of_bytes(f.content)), f.mode] for f in layer.files],
        "sources": [_describe_source(source) for source in layer.sources],
        "run": [[r.name, r.script, list(r.sources)] for r in layer.run],
        **({"opened_from": layer.opened_from} if layer.opened_from else {}),
        **({"env": [list(pair) for pair in layer.env]} if layer.env else {}),
        **({"filters": list(layer.filters)} if layer.filters else {}),
    }
