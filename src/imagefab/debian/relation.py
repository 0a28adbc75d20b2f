"""Relations between packages: the contents of the Depends, Conflicts and Provides fields.

A dependency field is a sequence of groups of alternatives, each alternative a `Relation`. The same texts occur again
and again in an archive, so parsed fields are cached.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from imagefab.debian.version import satisfies, version_key

_RELATION = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.\-]*)"
    r"(?::(?P<arch>[a-z0-9\-]+))?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?\Z"
)
# Policy 7.1: the old spellings mean "or equal".
_OLD_OPERATORS = {"<": "<=", ">": ">="}


@dataclass(frozen=True, slots=True)
class Relation:
    """One name in a field, with its constraints on architecture and version."""

    name: str
    architecture: str | None = None
    """`any`, `native` or an architecture, if the field has one."""
    operator: str | None = None
    version: str | None = None

    def admits(self, version: str | None) -> bool:
        """Return whether a package or a provided name of that version fits. Only a versioned Provides has a version."""
        if self.operator is None or self.version is None:
            return True
        return version is not None and satisfies(version, self.operator, self.version)

    def __str__(self) -> str:
        name = f"{self.name}:{self.architecture}" if self.architecture else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


Alternatives = tuple[Relation, ...]


def describe_alternatives(alternatives: Alternatives) -> str:
    return " | ".join(map(str, alternatives))


@cache
def parse_relation(text: str) -> Relation:
    """Parse `name`, `name:arch` or `name (>= 1.0)`; ValueError for anything else."""
    match = _RELATION.match(text.strip())
    if match is None:
        raise ValueError(f"not a relation between packages: {text.strip()!r}")
    operator = match["operator"]
    if operator is not None:
        version_key(match["version"])
        operator = _OLD_OPERATORS.get(operator, operator)
    return Relation(match["name"], match["arch"], operator, match["version"])


@cache
def parse_alternatives(text: str) -> Alternatives:
    return tuple(parse_relation(part) for part in text.split("|"))


def parse_dependencies(field: str) -> tuple[Alternatives, ...]:
    """Parse a Depends field: all of its groups must be satisfied, each by one of its alternatives."""
    return tuple(parse_alternatives(part) for part in field.split(",") if part.strip())


def parse_relations(field: str) -> tuple[Relation, ...]:
    """Parse a field without alternatives: Conflicts, Breaks, Provides."""
    return tuple(parse_relation(part) for part in field.split(",") if part.strip())
