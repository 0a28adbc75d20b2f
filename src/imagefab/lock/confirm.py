"""Check a lock against the archives: do their signed indexes have each pin, with the same hash?

Anyone can make a lock's own checksum. An index has a suite's current packages; a pin that is no longer in it is looked
up in the suite's state at the lock's date, from the snapshot archive, which is signed as well. A pin in neither may
still be in a trusted lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from imagefab.debian.archive import ArchiveReader
from imagefab.debian.package import Package
from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.errors import FetchError, ImagefabError, StaleError
from imagefab.lock.backwards import refuse_older_archives
from imagefab.lock.model import Lock
from imagefab.platforms import AMD64, HOST_PLATFORMS
from imagefab.recipe.model import Archive
from imagefab.toolchains.blueprint import Blueprint

_MOST_SHOWN = 20
_LATER = (timedelta(), timedelta(days=1))
"""The snapshot archive returns the last state that it took before a moment, and its Release file is older still."""


@dataclass(slots=True, kw_only=True)
class Confirmation:
    """A lock's packages by what the archives have of them; each by name, architecture and version."""

    present: list[str] = field(default_factory=list)
    past: list[str] = field(default_factory=list)
    """In a signed index of the lock's date, but in none of today's."""
    trusted: list[str] = field(default_factory=list)
    """In no index, but in the trusted lock."""
    wrong: list[str] = field(default_factory=list)
    """With another hash, size or path than in the signed index; the difference follows the name. Releases, too."""
    gone: list[str] = field(default_factory=list)
    """Nothing shows that the archive ever had them."""


OpenPast = Callable[[ArchivePin, datetime], ArchiveReader]
"""Opens a reader of an archive's state at a moment, which can read only that archive."""


Known = Mapping[tuple[str, str], Set[PackagePin]]
"""The pins of trusted locks, by archive and suite."""


def list_known(locks: Iterable[Lock]) -> Known:
    found: dict[tuple[str, str], set[PackagePin]] = defaultdict(set)
    for lock in locks:
        for archive, groups in _group_pins(lock).items():
            found[archive.archive, archive.suite] |= {_identify(pin) for pins in groups.values() for pin in pins}
    return found


def confirm_lock(lock: Lock, reader: ArchiveReader, open_past: OpenPast, *, known: Known) -> Confirmation:
    """Check all pins of a lock; FetchError if an archive can't be read, or is older than the lock."""
    found = Confirmation()
    for archive, pins in _group_pins(lock).items():
        missing = _look_up(pins, _read_packages(archive, pins, reader), found, found.present)
        today = reader.open_suite(_describe(archive)).pin
        if missing:
            refuse_older_archives(lock, [today])
        found.wrong += _compare_releases(archive, today)
        trusted = known.get((archive.archive, archive.suite), frozenset())
        rest = [pin for pin in missing if _identify(pin) not in trusted]
        found.trusted += [_name(pin) for pin in missing if _identify(pin) in trusted]
        for seen in sorted({pin.seen or archive.date for pin in rest}):
            of_then = [pin for pin in rest if (pin.seen or archive.date) == seen]
            found.gone += map(_name, _look_back(archive, seen, of_then, open_past, found))
    return found


def require_archives(lock: Lock, blueprints: Sequence[Blueprint], shown: str) -> None:
    """StaleError if a lock has other suites or platforms than its recipe. Its inputs don't prove what it has."""
    wanted = {one for each in blueprints for one in (*each.archives, *each.opened_archives)}
    others = [f"{one.suite} of {one.archive}" for one in lock.archives if _describe(one) not in wanted]
    names = {blueprint.platform.name for blueprint in blueprints}
    others += [one.platform for one in lock.platforms if one.platform not in names]
    if others:
        raise StaleError(
            f"{shown} is of {', '.join(others)}, which {lock.recipe} does not ask for",
            hint=f"run `imagefab lock {lock.recipe}`",
        )


def list_problems(found: Confirmation, recipe: str, shown: str) -> Iterator[ImagefabError]:
    if found.wrong:
        yield StaleError(
            _format_list(f"{shown}: {len(found.wrong)} pins are not what the archive signs", found.wrong),
            hint=f"the lock was not made from the archive; `imagefab lock --upgrade {recipe}` makes a new one",
        )
    if found.gone:
        yield FetchError(
            _format_list(
                f"{shown}: of {len(found.gone)} pins nothing shows that they come from the archive: no signed index has"
                " them today, and no snapshot of the lock's date could be read that does",
                found.gone,
            ),
            hint=f"`imagefab lock --upgrade {recipe}` moves them; --trust-from REV accepts pins of a revision's lock",
        )


def _group_pins(lock: Lock) -> Mapping[ArchivePin, Mapping[str, list[PackagePin]]]:
    """Group all pins, each once, by archive and by the architecture of the machine that they are for."""
    archives = {archive.name: archive for archive in lock.archives}
    found: dict[ArchivePin, dict[str, dict[PackagePin, None]]] = {archive: {} for archive in lock.archives}
    for platform in lock.platforms:
        native = HOST_PLATFORMS[platform.platform].debian_arch
        for pin in (pin for layer in platform.layers for pin in (*layer.packages, *layer.extracts)):
            architecture = native if pin.architecture == "all" else pin.architecture
            found[archives[pin.archive]].setdefault(architecture, {})[pin] = None
    return {archive: {name: list(pins) for name, pins in groups.items()} for archive, groups in found.items()}


def _read_packages(
    archive: ArchivePin, pins: Mapping[str, Sequence[PackagePin]], reader: ArchiveReader
) -> Mapping[str, Callable[[str], tuple[Package, ...]]]:
    """Return, by architecture, a function that finds a suite's packages by name."""
    return {name: reader.open_archive(_describe(archive), name).packages for name in pins}


def _look_up(
    pins: Mapping[str, Sequence[PackagePin]],
    packages: Mapping[str, Callable[[str], tuple[Package, ...]]],
    found: Confirmation,
    there: list[str],
) -> list[PackagePin]:
    """Sort pins into those that are there and those that are wrong; returns those that no index has."""
    missing: dict[PackagePin, None] = {}
    for architecture, some in pins.items():
        for pin in some:
            package = next((one for one in packages[architecture](pin.name) if _is_version(one, pin)), None)
            if package is None:
                missing[pin] = None
            elif _identify(package.pin()) == _identify(pin):
                there.append(_name(pin))
            else:
                found.wrong.append(_explain(pin, package))
    return list(missing)


def _look_back(
    archive: ArchivePin, seen: str, pins: Sequence[PackagePin], open_past: OpenPast, found: Confirmation
) -> list[PackagePin]:
    """Look pins up in past states of the archive; returns those that none has."""
    left = list(pins)
    for later in _LATER:
        groups: dict[str, list[PackagePin]] = defaultdict(list)
        for pin in left:
            groups[AMD64.debian_arch if pin.architecture == "all" else pin.architecture].append(pin)
        try:
            moment = datetime.strptime(seen, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + later
            past = open_past(archive, moment) if groups else None
            packages = _read_packages(archive, groups, past) if past else {}
            wrong = [] if past is None else _compare_releases(archive, past.open_suite(_describe(archive)).pin)
        except (FetchError, ValueError, OverflowError):
            continue
        found.wrong += [one for one in wrong if one not in found.wrong]
        left = _look_up(groups, packages, found, found.past)
    return left


def _compare_releases(pin: ArchivePin, signed: ArchivePin) -> list[str]:
    """Return what is wrong with a lock's Release file. One of another date says nothing about it."""
    if pin.date != signed.date or pin.release == signed.release:
        return []
    return [f"{pin.suite} of {pin.archive} at {pin.date}: release {pin.release}, and {signed.release} is signed"]


def _is_version(package: Package, pin: PackagePin) -> bool:
    return package.version == pin.version and package.architecture == pin.architecture


def _identify(pin: PackagePin) -> PackagePin:
    """Reduce a pin to what identifies its bytes and their path."""
    return replace(pin, archive="", seen=None)


def _describe(archive: ArchivePin) -> Archive:
    return Archive(name=archive.name, archive=archive.archive, suite=archive.suite, components=archive.components)


def _name(pin: PackagePin) -> str:
    return f"{pin.name}:{pin.architecture} {pin.version}"


def _explain(pin: PackagePin, package: Package) -> str:
    for what in ("sha256", "size", "path"):
        here, there = getattr(pin, what), getattr(package, what)
        if here != there:
            return f"{_name(pin)}: {what} {here}, and {there} in the signed index"
    return _name(pin)


def _format_list(problem: str, lines: Sequence[str]) -> str:
    more = [f"  and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
    return "\n".join([problem, *(f"  {line}" for line in lines[:_MOST_SHOWN]), *more])
