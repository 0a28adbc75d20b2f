"""Make a plan from a blueprint and a lock, as a pure function.

Within a layer the order is always the same: files, then packages, then the recipe's own steps. Files come first so
that dpkg's configuration is there before dpkg runs; dpkg keeps them if a package ships another version.

Every step ends with a cleanup: volatile files are removed, because the canonical layer will not have them. So the next
step finds the same files whether the layer below was just built or comes from the store, and whichever engine built it.

All packages are unpacked together, and then configured together. Unpacking ignores dependencies, because a set that is
complete at the end need not be complete at every point in alphabetical order; configuring does not.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.errors import RecipeError, StaleError
from imagefab.lock.model import LayerLock, Lock, PlatformLock, SourcePin
from imagefab.oci.layer import CANONICAL_FORM
from imagefab.plan.groups import group_packages
from imagefab.plan.model import (
    MOUNT,
    STEP_ENVIRONMENT,
    AddRootfs,
    BlobContent,
    BytesContent,
    Content,
    ExtractContent,
    Input,
    Plan,
    PlanLayer,
    RootfsContent,
    Run,
    Step,
    TarballContent,
)
from imagefab.platforms import HostPlatform
from imagefab.recipe.format import FILE_PATH
from imagefab.templates import read_template
from imagefab.toolchains.blueprint import IMAGE_PATH, Blueprint, LayerSpec

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DPKG = "dpkg --force-unsafe-io --force-confold"


def make_plan(blueprint: Blueprint, lock: Lock) -> Plan:
    """Make the plan for one host platform. The lock must be the blueprint's own, which is checked before."""
    pins = _find_pins(lock, blueprint)
    layers: list[PlanLayer] = []
    for spec, pinned in zip(blueprint.layers, pins.layers, strict=True):
        sources = tuple(_require_source(lock, source.name, blueprint.platform) for source in spec.sources)
        make = _plan_base_layer if spec.is_base else _plan_layer
        parent = layers[-1].key if layers else None
        layers.append(
            make(
                blueprint.platform, spec, pinned, sources, _Below(epoch=lock.epoch, parent=parent, form=CANONICAL_FORM)
            )
        )
    for name, value in (*blueprint.env, *blueprint.labels):
        if _CONTROL.search(name + value):
            raise RecipeError(f"the value of {name!r} can't be in an image: it has a control character or a line break")
    return Plan(
        recipe=blueprint.recipe,
        target=blueprint.target,
        platform=blueprint.platform,
        epoch=lock.epoch,
        layers=tuple(layers),
        env=blueprint.env,
        labels=blueprint.labels,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """What a layer's key covers besides the layer."""

    epoch: int
    parent: Digest | None
    """The key of the layer below; None for the first, which is bootstrapped."""
    form: int
    """The canonical form of layers."""


def _plan_layer(
    platform: HostPlatform, spec: LayerSpec, pinned: LayerLock, sources: tuple[SourcePin, ...], below: _Below
) -> PlanLayer:
    groups = group_packages(pinned.packages, base=spec.is_base)
    draft = _draft_layer(platform, spec, pinned, sources, below)
    return PlanLayer(
        name=spec.name,
        comment=spec.comment,
        key=Digest.of_json(
            {
                "form": below.form,
                "parent": str(below.parent) if below.parent else None,
                "platform": platform.name,
                "epoch": below.epoch,
                "steps": [_describe_step(step) for step in draft.steps],
                "inputs": [given.describe() for given in draft.inputs],
                "groups": [[group.name, list(group.packages)] for group in groups],
            }
        ),
        steps=tuple(draft.steps),
        inputs=tuple(draft.inputs),
        groups=groups,
    )


_plan_base_layer = lru_cache(32)(_plan_layer)
"""All recipes on a base have its layers, which are the largest: they are planned once."""


def _find_pins(lock: Lock, blueprint: Blueprint) -> PlatformLock:
    """Return the platform's part of the lock; StaleError if its layers don't match the blueprint's."""
    for pins in lock.platforms:
        if pins.platform == blueprint.platform.name and len(pins.layers) == len(blueprint.layers):
            pairs = list(zip(blueprint.layers, pins.layers, strict=True))
            if all(
                spec.name == pinned.name and set(spec.opened) <= _find_opened(pinned, blueprint.platform).keys()
                for spec, pinned in pairs
            ):
                return pins
    raise StaleError(
        f"the lock of {lock.recipe} does not have what the recipe asks for on {blueprint.platform}",
        hint=f"run `imagefab lock --upgrade {lock.recipe}`",
    )


def _find_opened(pinned: LayerLock, platform: HostPlatform) -> dict[str, PackagePin]:
    """Return the packages that files are taken from, by the names that layers use for them."""
    native = ("all", platform.debian_arch)
    return {p.name if p.architecture in native else f"{p.name}:{p.architecture}": p for p in pinned.extracts}


@dataclass(slots=True)
class _Draft:
    home: str
    """The layer's folder in the build context."""
    steps: list[Step]
    inputs: list[Input]

    def add_input(self, path: str, content: Content) -> str:
        """Add a file to the context; returns the path where steps find it."""
        self.inputs.append(Input(path=f"{self.home}/{path}", content=content))
        return f"{MOUNT}/{path}"

    def add_run(self, *commands: str, comment: tuple[str, ...] = ()) -> None:
        self.steps.append(Run(commands=(*commands, f"sh {MOUNT}/tidy.sh"), mount=self.home, comment=comment))


def _draft_layer(
    platform: HostPlatform, spec: LayerSpec, pinned: LayerLock, sources: tuple[SourcePin, ...], below: _Below
) -> _Draft:
    draft = _Draft(f"{platform.debian_arch}/{spec.name}", [], [])
    if below.parent is None:
        draft.add_input("rootfs.tar", RootfsContent(packages=pinned.packages, filters=spec.filters))
        draft.steps.append(AddRootfs(source=f"{draft.home}/rootfs.tar"))
    # It ends every step, so that the next one finds the same on a layer just built as on one from the store.
    draft.add_input("tidy.sh", BytesContent(data=read_template("imagefab.plan", "tidy.sh", {}).encode()))
    opened = _find_opened(pinned, platform)
    installing = [
        *(f"dpkg --add-architecture {architecture}" for architecture in spec.architectures),
        *_install_files(draft, spec, opened),
        *_install_packages(draft, pinned, spec.filters),
    ]
    if installing:
        draft.add_run(*installing)
    for t in spec.tarballs:
        content = TarballContent(package=opened[t.package], member=t.member, keep=t.keep, drop=t.drop)
        draft.add_input(f"sources/{t.name}", content)
    for source in sources:
        draft.add_input(f"sources/{source.name}", BlobContent(sha256=source.sha256))
    _add_scripts(draft, spec, below.epoch)
    return draft


def _install_files(draft: _Draft, spec: LayerSpec, opened: Mapping[str, PackagePin]) -> list[str]:
    given: list[tuple[str, Content, int]] = [
        *((e.path, ExtractContent(package=opened[e.package], member=e.member), e.mode) for e in spec.extracts),
        *((f.path, BytesContent(data=f.content), f.mode) for f in spec.files),
    ]
    for path in (*spec.folders, *(path for path, _, _ in given)):
        if (broken := FILE_PATH.find_broken(path)) is not None:
            raise RecipeError(broken.explain(path), hint=broken.hint)
    # `install` replaces whatever is there with a new file: it does not write through links, nor, with -T, into a
    # folder.
    folders = [f"install -d -m 755 {' '.join(spec.folders)}"] if spec.folders else []
    return folders + [
        f"install -DT -m {mode:03o} {draft.add_input(f'files{path}', content)} {path}" for path, content, mode in given
    ]


def _install_packages(draft: _Draft, pinned: LayerLock, filters: tuple[str, ...]) -> list[str]:
    for pin in pinned.packages:
        draft.add_input(f"debs/{pin.file_name}", BlobContent(sha256=pin.sha256))
    if not pinned.packages:
        return []
    given = ' "$@"' if filters else ""
    unpack = f"{_DPKG} --force-depends{given} --unpack {MOUNT}/debs/*.deb"
    if filters:
        lines = "".join(f"{option}\n" for option in filters)
        unpack = f"xargs -a {draft.add_input('filters', BytesContent(data=lines.encode()))} sh -c 'exec {unpack}' dpkg"
    return [unpack, f"{_DPKG} --configure --pending"]


def _require_source(lock: Lock, name: str, platform: HostPlatform) -> SourcePin:
    pin = lock.find_source(name, platform.name)
    if pin is None:
        raise StaleError(
            f"the lock of {lock.recipe} does not have {name} for {platform}",
            hint=f"run `imagefab lock --upgrade {lock.recipe}`",
        )
    return pin


def _add_scripts(draft: _Draft, spec: LayerSpec, epoch: int) -> None:
    # Engines differ in what else they set.
    fixed = {"SOURCE_DATE_EPOCH": str(epoch), "SOURCES": f"{MOUNT}/sources"}
    environment = {"PATH": IMAGE_PATH, "HOME": "/root", **STEP_ENVIRONMENT, **fixed}
    shell = f"env -i {' '.join(f'{name}={value}' for name, value in environment.items())} sh"
    if env := [f"{name}={value}" for name, value in spec.env if name not in fixed]:
        # The recipe's variables are in a file of their own, because a shell can't set some of their names.
        lines = ["exec env", *map(shlex.quote, env), '"$@"']
        wrapper = draft.add_input("run/environment.sh", BytesContent(data=(" \\\n    ".join(lines) + "\n").encode()))
        shell = f"{shell} {wrapper} /bin/sh"
    for number, run in enumerate(spec.run, start=1):
        script = draft.add_input(f"run/{number}.sh", BytesContent(data=run.script.encode()))
        draft.add_run(f"{shell} -eu {script}", comment=(run.name, *run.script.strip().split("\n")))


def _describe_step(step: Step) -> list[str]:
    match step:
        case AddRootfs(source=source):
            return ["add", source]
        case Run(mount=mount):
            return ["run", mount, step.shell]
