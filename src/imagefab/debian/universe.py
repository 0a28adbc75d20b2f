"""The Universe: all packages that one host platform can install, and which of them satisfy what.

The rules are those of apt and dpkg for multiple architectures. A plain dependency is satisfied by a package of the
dependent's own architecture, or one that is `Multi-Arch: foreign`; `:any` requires `Multi-Arch: allowed`; packages for
all architectures count as native.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imagefab.debian.index import Index
from imagefab.debian.package import Package
from imagefab.debian.pin import ArchivePin
from imagefab.debian.relation import Alternatives, Relation


class Universe:
    def __init__(
        self,
        *,
        pins: tuple[ArchivePin, ...],
        native: str,
        foreign: Sequence[str] = (),
        indexes: Iterable[tuple[str, Index]],
        extra: Iterable[Package] = (),
        incomplete: Iterable[str] = (),
    ) -> None:
        """`indexes` are pairs of an architecture and its index; `extra` are packages that are no longer in any index;
        `incomplete` are architectures with an index that could not be read."""
        self.pins = pins
        self.native = native
        self.architectures = tuple(dict.fromkeys((native, *foreign)))
        self._indexes = tuple((arch, index) for arch, index in indexes if arch in self.architectures)
        self._extra = tuple(extra)
        self.incomplete = frozenset(incomplete)
        self._packages: dict[str, tuple[Package, ...]] = {}
        self._providers: dict[str, tuple[Package, ...]] = {}

    def restrict(self, foreign: Sequence[str], *, extra: Iterable[Package] = ()) -> Universe:
        """Return the same archives with only those foreign architectures."""
        return Universe(
            pins=self.pins,
            native=self.native,
            foreign=foreign,
            indexes=self._indexes,
            extra=(*self._extra, *extra),
            incomplete=self.incomplete,
        )

    def architecture_of(self, package: Package) -> str:
        return self.native if package.architecture == "all" else package.architecture

    def essential_packages(self) -> tuple[str, ...]:
        """Return the names of the native packages that every system has."""
        names = dict.fromkeys(name for arch, index in self._indexes if arch == self.native for name in index.essential)
        return tuple(name for name in names if any(p.essential for p in self.versions(name, self.native)[:1]))

    def names(self) -> set[str]:
        return {name for _, index in self._indexes for name in index.names}

    def packages(self, name: str) -> tuple[Package, ...]:
        """Return every version of a name in every architecture, the newest first."""
        found = self._packages.get(name)
        if found is None:
            found = self._packages[name] = self._collect_packages(name)
        return found

    def versions(self, name: str, architecture: str) -> tuple[Package, ...]:
        return tuple(p for p in self.packages(name) if self.architecture_of(p) == architecture)

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return every package that provides the name, in any architecture; not those with that name."""
        found = self._providers.get(name)
        if found is None:
            names = dict.fromkeys(owner for _, index in self._indexes for owner in index.providers(name))
            names |= dict.fromkeys(p.name for p in self._extra if any(r.name == name for r in p.provides))
            found = self._providers[name] = tuple(
                package
                for owner in names
                for package in self.packages(owner)
                if any(provided.name == name for provided in package.provides)
            )
        return found

    def satisfies(self, package: Package, relation: Relation, architecture: str) -> bool:
        """Return whether a package satisfies a dependency of a package of that architecture."""
        if (
            package.name == relation.name
            and self._fits(package, relation.architecture, architecture)
            and relation.admits(package.version)
        ):
            return True
        return any(
            provided.name == relation.name
            and relation.admits(package.provided_version(provided))
            and self._provides_to(package, provided, relation.architecture, architecture)
            for provided in package.provides
        )

    def forbids(self, owner: Package, relation: Relation, package: Package) -> bool:
        """Return whether `owner`, which conflicts with `relation`, cannot be installed together with `package`.

        A plain conflict applies to every architecture. No package conflicts with itself, with what it provides itself,
        or, if it is `Multi-Arch: same`, with its siblings.
        """
        if not self._is_meant(package, relation.architecture):
            return False
        if package.name == relation.name:
            is_self = package.name == owner.name and (
                owner.multi_arch == "same" or self.architecture_of(owner) == self.architecture_of(package)
            )
            if not is_self and relation.admits(package.version):
                return True
        if package.name == owner.name:
            return False
        return any(
            provided.name == relation.name and relation.admits(package.provided_version(provided))
            for provided in package.provides
        )

    def excludes(self, one: Package, other: Package) -> bool:
        """Return whether two packages of one name exclude each other, by version or by architecture."""
        if self.architecture_of(one) == self.architecture_of(other):
            return one is not other
        return not (one.multi_arch == other.multi_arch == "same" and one.version == other.version)

    def candidates(self, relation: Relation, architecture: str) -> list[Package]:
        """Return every package that satisfies a relation, in no order of preference; real ones before providers."""
        found = [p for p in self.packages(relation.name) if self.satisfies(p, relation, architecture)]
        found += [
            p
            for p in self.providers(relation.name)
            if p.name != relation.name and self.satisfies(p, relation, architecture)
        ]
        return found

    def known_versions(self, alternatives: Alternatives) -> list[Package]:
        """Return all packages of the names in a dependency, whether they satisfy it or not: for messages."""
        return [p for relation in alternatives for p in (*self.packages(relation.name), *self.providers(relation.name))]

    def _collect_packages(self, name: str) -> tuple[Package, ...]:
        found: dict[tuple[str, str], Package] = {}
        for _, index in self._indexes:
            for package in index.packages(name):
                if package.architecture in ("all", *self.architectures):
                    found.setdefault((package.architecture, package.version), package)
        for package in self._extra:
            if package.name == name and package.architecture in ("all", *self.architectures):
                found.setdefault((package.architecture, package.version), package)
        return tuple(sorted(found.values(), key=lambda package: package.key, reverse=True))

    def _fits(self, package: Package, wanted: str | None, architecture: str) -> bool:
        """Return whether a package's architecture fits the `wanted` qualifier of the name, if there is one."""
        if wanted is None:
            return package.multi_arch == "foreign" or self.architecture_of(package) == architecture
        if wanted == "any":
            return package.multi_arch == "allowed"
        return self.architecture_of(package) == self._named_architecture(wanted)

    def _provides_to(self, package: Package, provided: Relation, wanted: str | None, architecture: str) -> bool:
        if provided.architecture is None:
            return self._fits(package, wanted, architecture)
        if "any" in (provided.architecture, wanted):
            return provided.architecture == wanted
        return provided.architecture == (self._named_architecture(wanted) if wanted else architecture)

    def _is_meant(self, package: Package, wanted: str | None) -> bool:
        """Like `_fits`, for conflicts: a plain one applies to every architecture."""
        return wanted in (None, "any") or self.architecture_of(package) == self._named_architecture(wanted)

    def _named_architecture(self, wanted: str | None) -> str | None:
        return self.native if wanted == "native" else wanted
