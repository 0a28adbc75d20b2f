"""Resolve a blueprint to packages: each layer's request is resolved on top of the packages of the layers below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from imagefab.debian.explain import explain_failure, list_versions, packages_involved, suggest_names
from imagefab.debian.package import Package
from imagefab.debian.pin import PackagePin
from imagefab.debian.preference import PinnedVersions, Preference
from imagefab.debian.solver import Request, UnsatisfiableError, solve
from imagefab.debian.universe import Universe
from imagefab.errors import ImagefabError, PackageError, RecipeError, raise_all
from imagefab.lock.model import LayerLock
from imagefab.toolchains.blueprint import Blueprint, LayerSpec


class UnresolvedError(RecipeError):
    """No set of packages satisfies a layer. It lists the packages in conflict, so that their pins can be given up."""

    def __init__(self, problem: str, *, involved: frozenset[Package] = frozenset(), hint: str | None = None) -> None:
        super().__init__(problem, hint=hint)
        self.involved = involved


def resolve(
    blueprint: Blueprint,
    universe: Universe,
    pins: PinnedVersions | None = None,
    opened: Mapping[str, Universe] | None = None,
    below: Sequence[LayerLock] = (),
) -> tuple[LayerLock, ...]:
    """Resolve what each layer installs and extracts; RecipeError says why there is no solution.

    Pinned versions are preferred. If they leave no solution, only those in conflict are given up. `opened` has, by
    suite, the packages that layers take files from without installing them. `below` has the lowest layers as they are,
    whose packages must be in the universe; what is returned is above them.
    """
    remaining = dict(pins or {})
    while True:
        try:
            return tuple(_resolve_layers(blueprint, universe, remaining, opened or {}, below))
        except UnresolvedError as error:
            in_the_way = {(package.name, package.architecture) for package in error.involved} & remaining.keys()
            if not in_the_way:
                raise
            for key in in_the_way:
                del remaining[key]


def _resolve_layers(
    blueprint: Blueprint,
    universe: Universe,
    pins: PinnedVersions,
    opened: Mapping[str, Universe],
    below: Sequence[LayerLock],
) -> Iterable[LayerLock]:
    architectures: list[str] = []
    installed: list[Package] = [_find_pinned(universe, pin) for layer in below for pin in layer.packages]
    for number, layer in enumerate(blueprint.layers):
        architectures += layer.architectures
        if number < len(below):
            continue
        view = universe.restrict(architectures)
        names = (*view.essential_packages(), *layer.packages) if number == 0 else layer.packages
        preference = Preference(view, pins, installed)
        where = f"{blueprint.recipe}, layer {layer.name}, {blueprint.platform}"
        added = _install(view, preference, names, installed, where)
        if layer.opened_from and layer.opened_from in opened:
            view = opened[layer.opened_from].restrict(architectures)
            preference = Preference(view, pins, installed)
        extracts = _extract(view, preference, layer, where)
        installed += added
        yield LayerLock(name=layer.name, packages=_sort_pins(added), extracts=_sort_pins(extracts))


def _find_pinned(universe: Universe, pin: PackagePin) -> Package:
    for package in universe.packages(pin.name):
        if (package.version, package.architecture) == (pin.version, pin.architecture):
            return package
    raise KeyError(pin)


def _install(
    view: Universe, preference: Preference, names: Sequence[str], installed: Sequence[Package], where: str
) -> list[Package]:
    requests: list[Request] = []
    unknown: list[ImagefabError] = []
    for name in dict.fromkeys(names):
        try:
            requests.append(Request(name, _find_choices(view, preference, name, where)))
        except PackageError as error:
            unknown.append(error)
    raise_all(unknown)
    try:
        return solve(view, preference.rank, requests, installed)
    except UnsatisfiableError as error:
        what = "no answer was found in reasonable time; the last dead end" if error.gave_up else "no packages will do"
        raise UnresolvedError(
            f"{where}: {what}:\n{explain_failure(error.nogood, view)}",
            involved=packages_involved(error.nogood),
            hint=_hint_at_gaps(view),
        ) from None


def _hint_at_gaps(view: Universe) -> str | None:
    if not view.incomplete:
        return None
    names = ", ".join(sorted(view.incomplete))
    return f"the mirrors lack indexes for {names}, so versions may not fit together; name others in [mirrors]"


def _extract(view: Universe, preference: Preference, layer: LayerSpec, where: str) -> list[Package]:
    return [_find_choices(view, preference, name, where)[0] for name in layer.opened]


def _find_choices(view: Universe, preference: Preference, text: str, where: str) -> tuple[Package, ...]:
    """Find the packages that a requested name stands for, in the native architecture or in the one it specifies."""
    name, _, architecture = text.partition(":")
    if architecture and architecture not in view.architectures:
        raise PackageError(
            f"{where}: {text}: no layer up to this one adds the architecture {architecture}",
            package=text,
            hint=f"they have {', '.join(view.architectures)}",
        )
    for wanted in (architecture,) if architecture else view.architectures:
        if choices := preference.versions(name, wanted):
            return choices
    raise _unknown_package(view, text, name, where)


def _unknown_package(view: Universe, text: str, name: str, where: str) -> PackageError:
    providers = dict.fromkeys(package.name for package in view.providers(name))
    if providers:
        hint = f"it is a virtual package: ask for {' or '.join(f'`{provider}`' for provider in list(providers)[:4])}"
    elif others := view.packages(name):
        hint = f"there is {list_versions(others)}"
    else:
        hint = suggest_names(name, view) or ""
    suites = ", ".join(pin.suite for pin in view.pins)
    return PackageError(f"{where}: there is no package {text} in {suites}", package=text, hint=hint or None)


def _sort_pins(packages: Iterable[Package]) -> tuple[PackagePin, ...]:
    return tuple(sorted((package.pin() for package in packages), key=lambda pin: (pin.name, pin.architecture)))
