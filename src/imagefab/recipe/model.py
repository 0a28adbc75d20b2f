"""The Recipe and its parts: frozen values, complete and valid once made. The loader makes them; the rest reads them.

A recipe builds on a chain of bases (recipes/bases/*.toml), root first. The root defines the distribution; every base
adds what its images share. Each base becomes one layer, so images with the same bases share those layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from imagefab.digest import Digest
from imagefab.recipe.target import Target

BASES = "bases"
"""The folder of bases beside recipes, and of their locks beside images; a recipe can't have that name."""


def name_base(base: str) -> str:
    """What a base is called where recipes have their plain names: `bases/trixie`."""
    return f"{BASES}/{base}"


def base_of(name: str) -> str | None:
    """Return the base that such a name stands for; None for a recipe's."""
    return name.removeprefix(f"{BASES}/") if name.startswith(f"{BASES}/") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One suite of a package archive, without the host that serves it."""

    name: str
    """The name that locks use, like `trixie-security`."""
    archive: str
    """The archive it is a part of; mirrors are configured by this name: `debian` or `debian-security`."""
    suite: str
    components: tuple[str, ...] = ("main",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """A file that goes into the image unchanged."""

    path: str
    """Absolute, normalised, inside the image."""
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """A file from the web, pinned by hash, that run steps may use. It is not copied into the image."""

    name: str
    url: str
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSpec:
    """A wheel from PyPI, for the image's host platform. The lock pins its hash."""

    name: str
    project: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFileSpec:
    """A local file of the user. The lock pins its hash, but does not contain its path."""

    name: str
    path: str
    """Absolute."""
    tops: tuple[str, ...] = ()
    """For a vendor's archive: its possible top folders."""


AnySource = SourceSpec | WheelSpec | OwnFileSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """A shell script that runs in the build, as root, without network; its `sources` are under $SOURCES.

    A recipe's scripts have the image's environment; a base's have what it and the bases below it set.
    """

    name: str
    script: str
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """What a base or a recipe adds to an image. Becomes one layer."""

    host_packages: tuple[str, ...] = ()
    target_packages: tuple[str, ...] = ()
    files: tuple[FileSpec, ...] = ()
    sources: tuple[AnySource, ...] = ()
    run: tuple[RunSpec, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    keep: tuple[str, ...] = ()
    """Parts of packages that are left out otherwise; holds for all of an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What several images share."""

    name: str
    description: str
    archives: tuple[Archive, ...] = ()
    """Only the root of a chain has archives. The first is the base suite; its date is the lock's epoch."""
    additions: Additions = field(default_factory=Additions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    name: str
    """The short name that people type: the file's stem."""
    file: str
    """The file it was read from, as shown to the user. Not part of the recipe's meaning."""
    description: str
    target: Target
    kind: str
    runner: str
    platforms: tuple[str, ...]
    bases: tuple[Base, ...]
    """Root first."""
    additions: Additions = field(default_factory=Additions)
    options: tuple[tuple[str, str | int | bool], ...] = ()
    """The options of the kind."""
    qemu_suite: str | None = None
    """The suite that QEMU's user mode emulator is taken from; None means the base's."""
    debug: bool = False
    """Include a debugger for the target's programs."""
    size_budget: int | None = None
    """The maximum compressed size of an image, in MB, enforced by a test."""

    @property
    def archives(self) -> tuple[Archive, ...]:
        return self.bases[0].archives
