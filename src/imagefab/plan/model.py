"""The Plan: typed steps, grouped into layers, with every input named by its hash.

The plan is the contract between recipes and engines. Each step is one Dockerfile instruction, and no step contains a
recipe's own text: paths are validated, package files are named by their folder, and scripts are files that a fixed
command runs. A layer's key covers its parent's key, its steps and its inputs, so equal keys mean equal layers,
whichever recipe requests them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.plan.groups import OTHER, Group, name_part
from imagefab.platforms import HostPlatform
from imagefab.toolchains.design import PRIVATE

MOUNT = "/run/imagefab"
"""Where a step finds its layer's inputs. It is below /run, which is empty in every image."""


STEP_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "LC_ALL": "C.UTF-8",
}
"""For steps only; none of it is in the image. SOURCE_DATE_EPOCH is added to it."""


# -- inputs: the files of the build context ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobContent:
    """A file that the lock identifies by its hash: a package or a source."""

    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesContent:
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractContent:
    """A single file from a package."""

    package: PackagePin
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TarballContent:
    """Some files from a tarball inside a package."""

    package: PackagePin
    member: str
    keep: tuple[str, ...]
    drop: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RootfsContent:
    """The first root file system: packages unpacked, so that dpkg can run and install them properly."""

    packages: tuple[PackagePin, ...]
    filters: tuple[str, ...] = ()
    """dpkg's options for what of them it is not to install."""


DerivedContent = ExtractContent | TarballContent | RootfsContent
Content = BlobContent | BytesContent | DerivedContent


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    path: str
    """In the build context."""
    content: Content

    def digests(self) -> tuple[Digest, ...]:
        """The digests of the files in the store that it is made from."""
        match self.content:
            case BlobContent(sha256=sha256):
                return (sha256,)
            case ExtractContent(package=package) | TarballContent(package=package):
                return (package.sha256,)
            case RootfsContent(packages=packages):
                return tuple(package.sha256 for package in packages)
            case BytesContent():
                return ()

    def describe(self) -> list[str]:
        """Return what identifies it in a layer's key."""
        match self.content:
            case BlobContent(sha256=sha256):
                what = str(sha256)
            case BytesContent(data=data):
                what = str(Digest.of_bytes(data))
            case ExtractContent(package=package, member=member):
                what = f"{package.sha256}!{member}"
            case TarballContent(package=package, member=member, keep=keep, drop=drop):
                what = f"{package.sha256}!{member}!{Digest.of_json([list(keep), list(drop)])}"
            case RootfsContent(packages=packages, filters=filters):
                what = "rootfs of " + str(Digest.of_json([[str(p.sha256) for p in packages], list(filters)]))
        return [self.path, what]


# -- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRootfs:
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    commands: tuple[str, ...]
    """Shell commands; each must succeed before the next one runs."""
    mount: str
    """The folder of the context that is mounted at MOUNT, read-only."""
    comment: tuple[str, ...] = ()
    """The text of the script that the commands run, for readers."""

    @property
    def shell(self) -> str:
        return " && ".join(self.commands)


Step = AddRootfs | Run


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLayer:
    name: str
    comment: str
    key: Digest
    steps: tuple[Step, ...]
    inputs: tuple[Input, ...]
    groups: tuple[Group, ...] = ()
    """The packages that it installs, by the image layers that their files go into."""

    @property
    def part_names(self) -> tuple[str, ...]:
        """What the image's layers may be called that it becomes."""
        names = [*(group.name for group in self.groups), OTHER] if self.groups else []
        return (*(name_part(self.name, name) for name in names), self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    recipe: str
    target: str
    platform: HostPlatform
    epoch: int
    layers: tuple[PlanLayer, ...]
    env: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]

    @property
    def key(self) -> Digest:
        """Equal keys mean equal images."""
        layer = self.layers[-1].key
        return Digest.of_json([self.platform.name, str(layer), list(map(list, self.env)), list(map(list, self.labels))])

    @property
    def step_environment(self) -> dict[str, str]:
        return {**STEP_ENVIRONMENT, "SOURCE_DATE_EPOCH": str(self.epoch)}


def count_free_layers(plan: Plan) -> int:
    """Count the layers, from the lowest up, that may be passed on: those below the first with a private file."""
    inside = dict(plan.labels).get(PRIVATE)
    if inside is None:
        return len(plan.layers)
    found = (n for n, layer in enumerate(plan.layers) if any(_is_among(given, inside) for given in layer.inputs))
    return next(found, 0)


def _is_among(given: Input, names: str) -> bool:
    return f" {given.path.rpartition('/sources/')[2]} " in f" {names} "


def list_packages(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return the packages of each of the image's layers, by its name. Those that a script changed may be in another."""
    return {name_part(layer.name, group.name): group.packages for layer in plan.layers for group in layer.groups}


def list_keys(plans: Iterable[Plan]) -> dict[str, Digest]:
    return {plan.platform.name: plan.key for plan in plans}
