"""Make a lock from blueprints and the archives' current state, keeping existing pins where possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from imagefab.lock.libc import check_claim
from imagefab.lock.model import Lock, PlatformLock, SourcePin
from imagefab.lock.resolve import resolve
from imagefab.lock.staleness import inputs_digest, platform_pins
from imagefab.platforms import HostPlatform
from imagefab.recipe.model import AnySource, Archive, OwnFileSpec, WheelSpec
from imagefab.toolchains.blueprint import Blueprint


def make_lock(
    blueprints: Sequence[Blueprint],
    reader: ArchiveReader,
    *,
    old: Lock | None = None,
    upgrade: bool = False,
    allow_downgrade: bool = False,
) -> Lock:
    """Make the lock for one recipe; returns `old` itself if nothing has to change.

    A lock whose inputs are unchanged is kept. If the recipe changed, old pins are preferred, even those that are no
    longer in the archive's indexes, as long as they can be fetched. `upgrade` ignores old pins, except for
    architectures with an index that could not be read: those would go back to older versions. Neither an archive nor a
    package goes back without `allow_downgrade`.
    """
    inputs = inputs_digest(blueprints)
    sources = _pin_sources(blueprints, reader.fetcher, old)
    if old is not None and old.inputs == inputs and old.sources == sources and not upgrade:
        return old
    platforms: list[PlatformLock] = []
    read: dict[str, ArchivePin] = {}
    for blueprint in blueprints:
        universe = _open_universe(blueprint, reader)
        opened = {archive.suite: _open_other(archive, universe, reader) for archive in blueprint.opened_archives}
        read |= {pin.name: pin for one in (universe, *opened.values()) for pin in one.pins}
        if not allow_downgrade:
            refuse_older_archives(old, read.values())
        pins = _usable_pins(old, blueprint.platform.name, tuple(read.values()))
        if upgrade:
            pins = [pin for pin in pins if pin.architecture in universe.incomplete]
        universe = universe.restrict(universe.architectures[1:], extra=_recover_departed(pins, universe, old, reader))
        versions = {(pin.name, pin.architecture): pin.version for pin in pins}
        platforms.append(
            PlatformLock(platform=blueprint.platform.name, layers=resolve(blueprint, universe, versions, opened))
        )
    new = Lock(
        recipe=blueprints[0].recipe,
        inputs=inputs,
        epoch=reader.open_suite(blueprints[0].archives[0]).epoch,
        archives=tuple(read.values()),
        sources=sources,
        platforms=tuple(platforms),
    )
    check_claim(new, blueprints)
    if not allow_downgrade:
        refuse_older_packages(old, new)
    return _keep_identity(new, old, upgrade=upgrade)


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
    if new.platforms == old.platforms:
        return replace(new, epoch=old.epoch, archives=old.archives)
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


def _recover_departed(
    pins: Sequence[PackagePin], universe: Universe, old: Lock | None, reader: ArchiveReader
) -> list[Package]:
    """Read pinned packages that are no longer in any index from their files, if those can still be fetched."""
    departed = [
        pin
        for pin in pins
        if not any(
            package.version == pin.version and package.architecture == pin.architecture
            for package in universe.packages(pin.name)
        )
    ]
    if old is None or not departed:
        return []
    archives = {archive.name: archive for archive in old.archives}
    return [package for pin in departed if (package := _recover(pin, archives, reader.fetcher)) is not None]


def _recover(pin: PackagePin, archives: Mapping[str, ArchivePin], fetcher: Fetcher) -> Package | None:
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
    except (FetchError, ValueError, KeyError) as error:
        fetcher.progress.warn(f"{pin.name} {pin.version} can't be kept: {error}")
        return None


def _pin_sources(blueprints: Sequence[Blueprint], fetcher: Fetcher, old: Lock | None) -> tuple[SourcePin, ...]:
    found: dict[tuple[str, str], SourcePin] = {}
    for blueprint in blueprints:
        for source in (source for layer in blueprint.layers for source in layer.sources):
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
