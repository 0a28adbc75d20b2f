"""The order of candidates: apt's, so that a layer contains what `apt-get install` would choose.

Alternatives are tried in their order. For each, packages of that name come before those that only provide it, then
siblings of installed `Multi-Arch: same` packages, essential packages, the native architecture, the higher priority. At
first only the version that would be chosen by itself counts: the pinned one, else the newest. The other versions, which
apt would not consider, come after all of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from imagefab.debian.package import Package
from imagefab.debian.relation import Alternatives, Relation
from imagefab.debian.universe import Universe

PinnedVersions = Mapping[tuple[str, str], str]
"""By name and architecture (the package's own, so `all` for those packages)."""


class Preference:
    """Ranks the candidates of dependencies for one layer."""

    def __init__(self, universe: Universe, pins: PinnedVersions, installed: Iterable[Package] = ()) -> None:
        self._universe = universe
        self._pins = pins
        self._installed_names = {package.name for package in installed}
        self._ranked: dict[tuple[Alternatives, str], tuple[Package, ...]] = {}

    def versions(self, name: str, architecture: str) -> tuple[Package, ...]:
        """Return all versions of a package, the preferred one first."""
        found = self._universe.versions(name, architecture)
        pinned = [package for package in found if self._pins.get((name, package.architecture)) == package.version]
        return (*pinned, *(package for package in found if package not in pinned))

    def rank(self, alternatives: Alternatives, architecture: str) -> Sequence[Package]:
        key = (alternatives, architecture)
        ranked = self._ranked.get(key)
        if ranked is None:
            ranked = self._ranked[key] = tuple(self._rank(alternatives, architecture))
        return ranked

    def _rank(self, alternatives: Alternatives, architecture: str) -> Iterable[Package]:
        first: dict[Package, None] = {}
        second: dict[Package, None] = {}
        for relation in alternatives:
            candidates = self._universe.candidates(relation, architecture)
            candidates.sort(key=lambda package: self._order(package, relation))
            for package in candidates:
                (first if self._is_preferred(package) else second)[package] = None
        return (*first, *(package for package in second if package not in first))

    def _is_preferred(self, package: Package) -> bool:
        return self.versions(package.name, self._universe.architecture_of(package))[0] is package

    def _order(self, package: Package, relation: Relation) -> tuple[bool | int, ...]:
        architectures = self._universe.architectures
        return (
            not (package.multi_arch == "same" and package.name in self._installed_names),
            package.name != relation.name,
            not package.essential,
            not package.protected,
            architectures.index(self._universe.architecture_of(package)),
            package.priority,
        )
