"""Make a lock from blueprints and the archives' current state, keeping existing pins where possible.

What stands on a base gets a lock of its own layers alone: those of the base are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from imagefab.debian.archive import ArchiveReader
from imagefab.debian.deb import read_control
from imagefab.debian.package import Package, read_package
from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.debian.pool import package_download
from imagefab.debian.universe import Universe
from imagefab.errors import FetchError, OptionError, RecipeError
from imagefab.fetch.fetcher import Fetcher, NotServedError
from imagefab.fetch.own import pin_own_file
from imagefab.fetch.wheels import pin_wheel
from imagefab.lock.backwards import refuse_older_archives, refuse_older_packages
from imagefab.lock.join import join_locks, keep_used, list_layers, undate
from imagefab.lock.libc import check_claim
from imagefab.lock.model import LayerLock, Lock, LockedBase, PlatformLock, SourcePin
from imagefab.lock.resolve import UnresolvedError, resolve
from imagefab.lock.staleness import inputs_digest, platform_pins
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import AnySource, Archive, OwnFileSpec, WheelSpec
from imagefab.toolchains.blueprint import Blueprint


def make_lock(
    blueprints: Sequence[Blueprint],
    reader: ArchiveReader,
    *,
    base: LockedBase | None = None,
    is_moved: bool = False,
    old: Lock | None = None,
    upgrade: bool = False,
    allow_downgrade: bool = False,
) -> Lock:
    """Make the lock for one recipe or base; returns `old` itself if nothing has to change.

    `base` is what it stands on; `is_moved` says that `old` was made on another base, or another state of it.

    A lock whose inputs and base are unchanged is kept. Otherwise old pins are preferred, even those that are no longer
    in the archive's indexes, as long as they can be fetched. `upgrade` ignores old pins, except for architectures with
    an index that could not be read: those would go back to older versions. Neither an archive nor a package goes back
    without `allow_downgrade`.
    """
    below = base.lock if base is not None else None
    inputs = inputs_digest(blueprints)
    sources = _pin_sources(blueprints, reader.fetcher, old, below)
    if old is not None and old.inputs == inputs and old.sources == sources and not upgrade and not is_moved:
        return old
    platforms: list[PlatformLock] = []
    read: dict[str, ArchivePin] = {}
    for blueprint in blueprints:
        universe = _open_universe(blueprint, reader)
        opened = {archive.suite: _open_other(archive, universe, reader) for archive in blueprint.opened_archives}
        read |= {pin.name: pin for one in (universe, *opened.values()) for pin in one.pins}
        if not allow_downgrade:
            refuse_older_archives(old, read.values())
            refuse_older_archives(below, read.values())
        layers = _Resolution(blueprint, universe, opened, tuple(read.values()), below, reader).resolve(
            old, upgrade=upgrade
        )
        platforms.append(PlatformLock(platform=blueprint.platform.name, layers=layers))
    new = Lock(
        recipe=blueprints[0].recipe,
        inputs=inputs,
        epoch=0 if below is not None else reader.open_suite(blueprints[0].archives[0]).epoch,
        archives=tuple(read.values()),
        sources=sources,
        platforms=tuple(platforms),
    )
    if base is not None:
        new = keep_used(new)
    whole = new if base is None else join_locks(base, new)
    check_claim(whole, blueprints)
    if not allow_downgrade:
        refuse_older_packages(old, whole)
    return _keep_identity(new, old, upgrade=upgrade)


@dataclass(frozen=True, slots=True)
class _Resolution:
    """One platform's layers, above those of the base."""

    blueprint: Blueprint
    universe: Universe
    opened: Mapping[str, Universe]
    archives: tuple[ArchivePin, ...]
    below: Lock | None
    reader: ArchiveReader

    def resolve(self, old: Lock | None, *, upgrade: bool) -> tuple[LayerLock, ...]:
        pins = _usable_pins(old, self.blueprint.platform.name, self.archives)
        if not upgrade:
            return self._resolve(pins, self._recover(pins, old))
        kept = [pin for pin in pins if pin.architecture in self.universe.incomplete]
        try:
            return self._resolve(kept, self._recover(kept, old))
        except UnresolvedError:
            # A package may have to be of the same version as one in the base.
            if self.below is None or not pins:
                raise
            return self._resolve(kept, self._recover(pins, old))

    def _resolve(self, pins: Sequence[PackagePin], extra: Sequence[Package]) -> tuple[LayerLock, ...]:
        base = list_layers(self.below, self.blueprint.platform.name)
        universe = self.universe.restrict(
            self.universe.architectures[1:],
            extra=[*extra, *self._require(pin for layer in base for pin in layer.packages)],
        )
        versions = {(pin.name, pin.architecture): pin.version for pin in pins}
        try:
            return resolve(self.blueprint, universe, versions, self.opened, base)
        except UnresolvedError as error:
            if self.below is None or error.hint is not None:
                raise
            name = self.below.recipe
            hint = f"`{name}` is locked; `imagefab lock --upgrade {name}` moves it, for all recipes on it"
            raise UnresolvedError(error.problem, involved=error.involved, hint=hint) from None

    def _recover(self, pins: Sequence[PackagePin], old: Lock | None) -> list[Package]:
        """Read pinned packages that are no longer in any index from their files, if those can still be fetched."""
        found: list[Package] = []
        for pin in self._list_departed(pins):
            try:
                found.append(self._read(pin, old))
            except FetchError as error:
                self.reader.fetcher.progress.warn(f"{pin.name} {pin.version} can't be kept: {error}")
        return found

    def _require(self, pins: Iterable[PackagePin]) -> list[Package]:
        """Read the packages of the base that are no longer in any index."""
        assert self.below is not None or not list(pins)
        try:
            return [self._read(pin, self.below) for pin in self._list_departed(pins)]
        except FetchError as error:
            name = self.below.recipe if self.below is not None else ""
            raise FetchError(
                f"{self.blueprint.recipe}: a package of `{name}` is gone from the archive: {error.problem}",
                hint=f"`imagefab lock --upgrade {name}` moves it, for all recipes on it",
            ) from None

    def _list_departed(self, pins: Iterable[PackagePin]) -> list[PackagePin]:
        return [
            pin
            for pin in pins
            if not any(
                package.version == pin.version and package.architecture == pin.architecture
                for package in self.universe.packages(pin.name)
            )
        ]

    def _read(self, pin: PackagePin, lock: Lock | None) -> Package:
        """Read a package from its file."""
        archives = {archive.name: archive for archive in lock.archives} if lock is not None else {}
        fetcher = self.reader.fetcher
        try:
            fetcher.fetch_blobs([package_download(fetcher.mirrors, archives, pin)], label=f"{pin.name} {pin.version}")
            return read_package(
                read_control(fetcher.store.blob_path(pin.sha256)),
                archive=pin.archive,
                path=pin.path,
                size=pin.size,
                sha256=pin.sha256,
                seen=pin.seen or archives[pin.archive].date,
            )
        except (ValueError, KeyError) as error:
            raise FetchError(str(error)) from None


def _open_universe(blueprint: Blueprint, reader: ArchiveReader) -> Universe:
    """Open a blueprint's archives. A foreign architecture is read only if one of its packages is requested."""
    named = (package.partition(":")[2] for layer in blueprint.layers for package in (*layer.packages, *layer.opened))
    foreign = dict.fromkeys(architecture for architecture in named if architecture)
    return reader.open_universe(blueprint.archives, (blueprint.platform.debian_arch, *foreign))


def _open_other(archive: Archive, universe: Universe, reader: ArchiveReader) -> Universe:
    """Open a suite that a recipe names in addition to those of its base."""
    try:
        return reader.open_universe([archive], universe.architectures[:1])
    except NotServedError as error:
        if not error.is_gone:
            raise
        problem = f"no mirror of {archive.archive} has a suite {archive.suite}"
        raise OptionError(problem, option="qemu-suite", hint="like `bookworm-backports`") from None


def _keep_identity(new: Lock, old: Lock | None, *, upgrade: bool) -> Lock:
    """Keep the old date and archive states where they still apply, so that layers stay the same."""
    if old is None or _suites(old) != _suites(new):
        return new
    if undate(new.platforms) == undate(old.platforms):
        return replace(new, epoch=old.epoch, archives=old.archives, platforms=old.platforms)
    return new if upgrade else replace(new, epoch=old.epoch)


def _suites(lock: Lock) -> list[tuple[str, str, str]]:
    return [(archive.name, archive.archive, archive.suite) for archive in lock.archives]


def _usable_pins(old: Lock | None, platform: str, archives: tuple[ArchivePin, ...]) -> list[PackagePin]:
    """Return the old pins from suites that the recipe still uses."""
    if old is None:
        return []
    now = {archive.name: (archive.archive, archive.suite) for archive in archives}
    same = {archive.name for archive in old.archives if now.get(archive.name) == (archive.archive, archive.suite)}
    return [pin for pin in platform_pins(old, platform) if pin.archive in same]


def _pin_sources(
    blueprints: Sequence[Blueprint], fetcher: Fetcher, old: Lock | None, below: Lock | None
) -> tuple[SourcePin, ...]:
    """Pin the sources that the base does not have."""
    found: dict[tuple[str, str], SourcePin] = {}
    for blueprint in blueprints:
        for source in (source for layer in blueprint.layers for source in layer.sources):
            if below is not None and below.find_source(source.name, blueprint.platform.name) is not None:
                continue
            pin = _pin_source(source, blueprint.platform, fetcher, old)
            if found.setdefault((pin.name, pin.platform or ""), pin) != pin:
                raise RecipeError(f"{blueprint.recipe}: two different sources are called {source.name}")
    return tuple(found[key] for key in sorted(found))


def _pin_source(source: AnySource, platform: HostPlatform, fetcher: Fetcher, old: Lock | None) -> SourcePin:
    kept = old.find_source(source.name, platform.name) if old else None
    match source:
        case WheelSpec():
            wheel = f"{source.project}=={source.version}"
            is_same = kept is not None and kept.wheel == wheel and kept.platform == platform.name
            return (
                kept
                if is_same and kept
                else SourcePin(
                    name=source.name, sha256=pin_wheel(fetcher, source, platform), platform=platform.name, wheel=wheel
                )
            )
        case OwnFileSpec():
            known = kept.sha256 if kept else None
            return SourcePin(name=source.name, sha256=pin_own_file(fetcher.store, source, known, fetcher.own_files))
        case _:
            return SourcePin(name=source.name, sha256=source.sha256)
