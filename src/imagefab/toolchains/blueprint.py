"""The Blueprint: a recipe for one host platform, spelt out as layers that ask for packages, files and steps.

It is what locking resolves and what planning turns into steps. Layers run from the most shared to the least, and
a layer asks only for what the layers below it do not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imagefab.digest import Digest
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import AnySource, Archive, FileSpec, OwnFileSpec, RunSpec, WheelSpec

IMAGE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are found in an image, and in the steps that build it."""

GLIBC_CLAIM = "imagefab.glibc"
"""The label of an image that claims that what it links needs no newer version of glibc than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractSpec:
    """One file out of a package that is not installed: an emulator out of a package of all emulators."""

    package: str
    member: str
    """The path inside the package, absolute."""
    path: str
    """The path inside the image, absolute."""
    mode: int = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class TarballSpec:
    """Files of a package, or of a tarball in it, without the package being installed: for the layer's steps."""

    name: str
    """What steps call it: $SOURCES/<name>. It is a plain tar, without the tarball's top folder."""
    package: str
    member: str = ""
    """The tarball's path inside the package, absolute; * stands for what changes with the version. Empty: the files are
    the package's own."""
    keep: tuple[str, ...]
    """Patterns of paths inside it, of which one must match; * does not stand for a slash, ** does."""
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    name: str
    comment: str
    """What a reader of the Dockerfile should know; one line."""
    architectures: tuple[str, ...] = ()
    """Foreign Debian architectures that the layer adds."""
    packages: tuple[str, ...] = ()
    """Debian packages, `name` or `name:architecture`."""
    extracts: tuple[ExtractSpec, ...] = ()
    tarballs: tuple[TarballSpec, ...] = ()
    opened_from: str | None = None
    """The suite that has the packages of which something is taken, where it is none of the image's own."""
    folders: tuple[str, ...] = ()
    """Folders that must be there, empty or not."""
    files: tuple[FileSpec, ...] = ()
    sources: tuple[AnySource, ...] = ()
    run: tuple[RunSpec, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    """What the scripts of `run` find in their environment; empty where there are none."""

    @property
    def opened(self) -> tuple[str, ...]:
        """The packages of which something is taken without installing them."""
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
    """The first is bootstrapped from the archive's essential packages and what it asks for."""
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]
    opened_archives: tuple[Archive, ...] = ()
    """Nothing is installed from these; what layers take files of may come from them."""
    has_own_libc: bool = False
    """Its toolchain does not link against the archive's C library."""

    def describe(self) -> dict[str, Any]:
        """All of it as plain values: what a lock's `inputs` digest is made of."""
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
    }
