"""A package version as an archive offers it: what the resolver needs, and where the file is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from imagefab.debian.pin import PackagePin
from imagefab.debian.relation import Alternatives, Relation, parse_dependencies, parse_relations
from imagefab.debian.version import VersionKey, version_key
from imagefab.digest import Digest

PRIORITIES = {"required": 1, "important": 2, "standard": 3, "optional": 4, "extra": 5}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-]*\Z")
_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9][!-~]*\.deb\Z")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Package:
    """Each is created once and compared by identity, so that sets of packages are cheap."""

    name: str
    version: str
    architecture: str
    """As the archive says; `all` for packages that fit every architecture."""
    multi_arch: str
    """`same`, `foreign`, `allowed` or `no`."""
    essential: bool
    protected: bool
    priority: int
    dependencies: tuple[Alternatives, ...]
    conflicts: tuple[Relation, ...]
    """Conflicts and Breaks, which the resolver treats alike."""
    provides: tuple[Relation, ...]
    archive: str
    path: str
    size: int
    sha256: Digest
    seen: str | None = None
    """Set if the archive no longer has it: see PackagePin."""
    key: VersionKey = field(repr=False)

    def __str__(self) -> str:
        return f"{self.full_name} {self.version}"

    @property
    def full_name(self) -> str:
        return self.name if self.architecture == "all" else f"{self.name}:{self.architecture}"

    def provided_version(self, provided: Relation) -> str | None:
        return provided.version if provided.operator == "=" else None

    def pin(self) -> PackagePin:
        return PackagePin(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            archive=self.archive,
            path=self.path,
            size=self.size,
            sha256=self.sha256,
            seen=self.seen,
        )


def read_package(
    fields: Mapping[str, str], *, archive: str, path: str, size: int, sha256: Digest, seen: str | None = None
) -> Package:
    """Return a package from its control fields; ValueError if they are not a package's."""
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    if not _NAME.match(name) or not _NAME.match(architecture) or not _PATH.match(path) or size <= 0:
        raise ValueError(f"package {name!r} has a bad name, architecture, path or size")
    return Package(
        name=name,
        version=version,
        architecture=architecture,
        multi_arch=fields.get("Multi-Arch", "no"),
        essential=fields.get("Essential") == "yes",
        protected="yes" in (fields.get("Protected"), fields.get("Important")),
        priority=PRIORITIES.get(fields.get("Priority", ""), PRIORITIES["extra"]),
        dependencies=parse_dependencies(fields.get("Pre-Depends", "")) + parse_dependencies(fields.get("Depends", "")),
        conflicts=parse_relations(fields.get("Conflicts", "")) + parse_relations(fields.get("Breaks", "")),
        provides=parse_relations(fields.get("Provides", "")),
        archive=archive,
        path=path,
        size=size,
        sha256=sha256,
        seen=seen,
        key=version_key(version),
    )
