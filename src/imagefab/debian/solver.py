"""The search for packages that satisfy a request, on top of those already installed.

It follows apt: first all requested packages, then dependencies depth first in their order, the first alternative that
can be installed. Where apt would give up or improvise, this search learns: if every candidate for a dependency is
refused, the packages that caused the refusals can never be installed together (a nogood), and the newest of them is
removed again. From then on a nogood also refuses candidates, so no dead end is entered twice, and the last one, which
involves nothing that could be removed, explains why there is no solution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from imagefab.debian.package import Package
from imagefab.debian.relation import Alternatives, Relation
from imagefab.debian.universe import Universe

MOST_DEAD_ENDS = 20_000
"""Real archives need a handful. The problem is hard in theory, so there is a limit."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A package requested by name: one of its versions, the preferred one first."""

    text: str
    choices: tuple[Package, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """One dependency of a package."""

    owner: Package
    alternatives: Alternatives
    architecture: str
    """The owner's architecture, which decides what satisfies it."""


Goal: TypeAlias = Request | Dependency


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """Why a candidate cannot be installed."""

    candidate: Package
    culprits: tuple[Package, ...]
    """The installed packages that rule it out."""
    nogood: Nogood | None = None
    """What was learnt about them together, if none of them conflicts by itself."""
    reason: Goal | None = None
    """What the first culprit was chosen for; None if it was already installed before the search."""


@dataclass(frozen=True, slots=True, eq=False)
class Nogood:
    """Packages that can never be installed together, with the proof: a goal and the refusal of each candidate."""

    packages: frozenset[Package]
    goal: Goal
    refusals: tuple[Refusal, ...]


class UnsatisfiableError(Exception):
    def __init__(self, nogood: Nogood, *, gave_up: bool = False) -> None:
        super().__init__("no solution")
        self.nogood = nogood
        self.gave_up = gave_up


@dataclass(frozen=True, slots=True, eq=False)
class _Follow:
    """The place in the agenda for the dependencies of what a request chose."""

    request: Request


_Agenda: TypeAlias = "tuple[Goal | _Follow, _Agenda] | None"
Ranking = Callable[[Alternatives, str], Sequence[Package]]
"""The candidates for a dependency of a package of that architecture, the preferred one first."""


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    package: Package
    goal: Goal
    agenda: _Agenda
    """The agenda before the choice, the goal first."""


def solve(universe: Universe, rank: Ranking, requests: Sequence[Request], fixed: Iterable[Package]) -> list[Package]:
    """Return the packages to add to `fixed`, in the order of their choice; UnsatisfiableError if no solution exists."""
    return _Search(universe, rank, tuple(fixed)).run(requests)


@dataclass(slots=True)
class _Installed:
    """The packages installed at one moment of the search, indexed by everything that conflicts look up."""

    universe: Universe
    positions: dict[Package, int] = field(default_factory=dict)
    named: dict[str, list[Package]] = field(default_factory=dict)
    provided: dict[str, list[Package]] = field(default_factory=dict)
    forbidden: dict[str, list[tuple[Package, Relation]]] = field(default_factory=dict)

    def add(self, package: Package) -> None:
        self.positions[package] = len(self.positions)
        self.named.setdefault(package.name, []).append(package)
        for relation in package.provides:
            self.provided.setdefault(relation.name, []).append(package)
        for relation in package.conflicts:
            self.forbidden.setdefault(relation.name, []).append((package, relation))

    def remove_last(self, package: Package) -> None:
        """Remove the package that was added last."""
        del self.positions[package]
        self.named[package.name].pop()
        for relation in package.provides:
            self.provided[relation.name].pop()
        for relation in package.conflicts:
            self.forbidden[relation.name].pop()

    def bearing(self, name: str) -> Iterable[Package]:
        yield from self.named.get(name, ())
        yield from self.provided.get(name, ())

    def satisfying(self, goal: Goal) -> Package | None:
        if isinstance(goal, Request):
            return next((package for package in goal.choices if package in self.positions), None)
        for relation in goal.alternatives:
            for package in self.bearing(relation.name):
                if self.universe.satisfies(package, relation, goal.architecture):
                    return package
        return None

    def find_enemy(self, candidate: Package) -> Package | None:
        """Return the earliest installed package that conflicts with the candidate."""
        enemies = [other for other in self.named.get(candidate.name, ()) if self.universe.excludes(candidate, other)]
        for relation in candidate.conflicts:
            enemies += [p for p in self.bearing(relation.name) if self.universe.forbids(candidate, relation, p)]
        for name in (candidate.name, *(relation.name for relation in candidate.provides)):
            for owner, relation in self.forbidden.get(name, ()):
                if self.universe.forbids(owner, relation, candidate):
                    enemies.append(owner)
        return min(enemies, key=self.positions.__getitem__, default=None)


class _Search:
    def __init__(self, universe: Universe, rank: Ranking, fixed: tuple[Package, ...]) -> None:
        self.universe = universe
        self.rank = rank
        self.fixed = frozenset(fixed)
        self.installed = _Installed(universe)
        for package in fixed:
            self.installed.add(package)
        self.trail: list[_Step] = []
        self.reasons: dict[Package, Goal] = {}
        self.nogoods: dict[Package, list[Nogood]] = {}

    def run(self, requests: Sequence[Request]) -> list[Package]:
        agenda: _Agenda = None
        for request in reversed(requests):
            agenda = (_Follow(request), agenda)
        for request in reversed(requests):
            agenda = (request, agenda)
        dead_ends = 0
        while agenda is not None:
            before = agenda
            frame, agenda = agenda
            if isinstance(frame, _Follow):
                chosen = self.installed.satisfying(frame.request)
                if chosen is not None and chosen not in self.fixed:
                    agenda = self._push_dependencies(chosen, agenda)
                continue
            if self.installed.satisfying(frame) is not None:
                continue
            choice = self._choose(frame)
            if isinstance(choice, Package):
                self._install(_Step(choice, frame, before))
                if isinstance(frame, Dependency):
                    agenda = self._push_dependencies(choice, agenda)
                continue
            dead_ends += 1
            if dead_ends > MOST_DEAD_ENDS:
                raise UnsatisfiableError(choice, gave_up=True)
            agenda = self._jump_back(choice)
        return [step.package for step in self.trail]

    def _choose(self, goal: Goal) -> Package | Nogood:
        candidates = goal.choices if isinstance(goal, Request) else self.rank(goal.alternatives, goal.architecture)
        refusals: list[Refusal] = []
        for candidate in candidates:
            refusal = self._refuse(candidate)
            if refusal is None:
                return candidate
            refusals.append(refusal)
        packages = {culprit for refusal in refusals for culprit in refusal.culprits}
        if isinstance(goal, Dependency):
            packages.add(goal.owner)
        return Nogood(frozenset(packages), goal, tuple(refusals))

    def _refuse(self, candidate: Package) -> Refusal | None:
        enemy = self.installed.find_enemy(candidate)
        if enemy is not None:
            return Refusal(candidate, (enemy,), reason=self.reasons.get(enemy))
        for nogood in self.nogoods.get(candidate, ()):
            others = nogood.packages - {candidate}
            if all(other in self.installed.positions for other in others):
                return Refusal(candidate, tuple(sorted(others, key=self.installed.positions.__getitem__)), nogood)
        return None

    def _install(self, step: _Step) -> None:
        self.trail.append(step)
        self.installed.add(step.package)
        self.reasons[step.package] = step.goal

    def _push_dependencies(self, package: Package, agenda: _Agenda) -> _Agenda:
        architecture = self.universe.architecture_of(package)
        for alternatives in reversed(package.dependencies):
            agenda = (Dependency(package, alternatives, architecture), agenda)
        return agenda

    def _jump_back(self, nogood: Nogood) -> _Agenda:
        """Undo every choice since the nogood's newest package, and return the agenda from before that package."""
        free = nogood.packages - self.fixed
        if not free:
            raise UnsatisfiableError(nogood)
        for package in free:
            self.nogoods.setdefault(package, []).append(nogood)
        culprit = max(free, key=self.installed.positions.__getitem__)
        while True:
            step = self.trail.pop()
            self.installed.remove_last(step.package)
            del self.reasons[step.package]
            if step.package is culprit:
                return step.agenda
