"""Explains why no set of packages works: the search's proof, from the request downwards."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from imagefab.debian.package import Package
from imagefab.debian.relation import describe_alternatives
from imagefab.debian.solver import Dependency, Goal, Nogood, Refusal
from imagefab.debian.universe import Universe

_MOST_LINES = 12
_MOST_VERSIONS = 4


def explain_failure(nogood: Nogood, universe: Universe) -> str:
    """Return the explanation, one line for each link of the chain, indented by depth."""
    lines: list[str] = []
    for line in _format_nogood(nogood, universe, 0, set()):
        if len(lines) == _MOST_LINES:
            lines.append("  … and so on")
            break
        lines.append(line)
    return "\n".join(lines)


def packages_involved(nogood: Nogood) -> frozenset[Package]:
    """Return every package in the proof."""
    found: set[Package] = set()
    todo, seen = [nogood], {nogood}
    while todo:
        current = todo.pop()
        found |= current.packages
        for refusal in current.refusals:
            found |= {refusal.candidate, *refusal.culprits}
            if refusal.nogood is not None and refusal.nogood not in seen:
                seen.add(refusal.nogood)
                todo.append(refusal.nogood)
    return frozenset(found)


def suggest_names(name: str, universe: Universe) -> str | None:
    """Return a hint for a name that no package has."""
    near = [known for known in universe.names() if known[:1] == name[:1] and abs(len(known) - len(name)) <= 3]
    matches = difflib.get_close_matches(name, sorted(near), n=3, cutoff=0.8)
    return f"did you mean {' or '.join(f'`{match}`' for match in matches)}?" if matches else None


def list_versions(packages: Iterable[Package]) -> str:
    texts = list(dict.fromkeys(str(package) for package in packages))
    more = f" and {len(texts) - _MOST_VERSIONS} more" if len(texts) > _MOST_VERSIONS else ""
    return ", ".join(texts[:_MOST_VERSIONS]) + more


def _format_nogood(nogood: Nogood, universe: Universe, depth: int, seen: set[Nogood]) -> Iterator[str]:
    indent = "  " * (depth + 1)
    goal = nogood.goal
    what = (
        f"{goal.owner} depends on {describe_alternatives(goal.alternatives)}"
        if isinstance(goal, Dependency)
        else f"{goal.text} is asked for"
    )
    if nogood in seen:
        yield f"{indent}{what}, which fails as said above"
        return
    seen.add(nogood)
    if not nogood.refusals:
        yield f"{indent}{what}, {_format_absence(goal, universe)}"
        return
    yield indent + what
    for refusal in nogood.refusals:
        if refusal.nogood is None:
            yield f"{indent}  {_format_conflict(refusal)}"
        else:
            yield from _format_nogood(refusal.nogood, universe, depth + 1, seen)


def _format_absence(goal: Goal, universe: Universe) -> str:
    known = universe.known_versions(goal.alternatives) if isinstance(goal, Dependency) else []
    if not known:
        return "but there is no such package"
    architectures = ", ".join(dict.fromkeys(universe.architecture_of(package) for package in known))
    asking = goal.architecture if isinstance(goal, Dependency) else ""
    fits = any(asking == universe.architecture_of(package) for package in known)
    return f"but there is only {list_versions(known)}" + ("" if fits else f", for {architectures} and not {asking}")


def _format_conflict(refusal: Refusal) -> str:
    candidate, culprit = refusal.candidate, refusal.culprits[0]
    match refusal.reason:
        case None:
            by = ", which is there already"
        case Dependency(owner=owner):
            by = f", which {owner} needs"
        case _:
            by = ", which is asked for"
    if candidate.name != culprit.name:
        return f"{candidate} conflicts with {culprit}{by}"
    if candidate.multi_arch == culprit.multi_arch == "same" and candidate.architecture != culprit.architecture:
        return f"{candidate} must have the same version as {culprit}{by}"
    return f"{candidate} cannot be there beside {culprit}{by}"
