"""Format 1 of locks, in which a recipe's lock had all of its bases too. It is read, and no longer written.

What format 2 kept of it is here as well.
"""

from __future__ import annotations

import re
from collections.abc import Set

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.lock.model import LayerLock, Lock, PlatformLock, SourcePin
from imagefab.toml.record import Record, RecordError, parse_record

HEADER = "# written by `imagefab lock`; do not edit\n"
_CHECKSUM = re.compile(r'^checksum = "([^"]*)"\n', re.MULTILINE)
PLAIN = re.compile(r"[ !#-\[\]-~]*\Z")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
INNER_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9][!-~]*\.deb\Z")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-_~:]*\Z")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*\Z")


def render_lock(lock: Lock) -> str:
    body = "\n".join(_render_body(lock)) + "\n"
    return f'{HEADER}checksum = "{_checksum(body)}"\n{body}'


def parse_lock(text: str) -> Lock:
    """Parse a lock; RecordError for anything that was not written so."""
    return _read(text, parse_record(text))


def _checksum(body: str) -> Digest:
    return Digest.of_bytes(body.encode())


def _render_body(lock: Lock) -> list[str]:
    lines = [
        "format = 1",
        f"recipe = {quote(lock.recipe)}",
        f"inputs = {quote(str(lock.inputs))}",
        f"epoch = {lock.epoch}",
    ]
    for archive in lock.archives:
        lines += render_archive(archive)
    for source in lock.sources:
        lines += render_source(source)
    for platform in lock.platforms:
        lines += ["", "[[platform]]", f"name = {quote(platform.platform)}"]
        for layer in platform.layers:
            lines += ["", "[[platform.layer]]", f"name = {quote(layer.name)}"]
            lines += _render_pins("packages", layer.packages)
            lines += _render_pins("extracts", layer.extracts)
    return lines


def render_archive(archive: ArchivePin) -> list[str]:
    return [
        "",
        "[[archive]]",
        f"name = {quote(archive.name)}",
        f"archive = {quote(archive.archive)}",
        f"suite = {quote(archive.suite)}",
        f"components = [{', '.join(map(quote, archive.components))}]",
        f"date = {quote(archive.date)}",
        f"release = {quote(str(archive.release))}",
    ]


def render_source(source: SourcePin) -> list[str]:
    lines = ["", "[[source]]", f"name = {quote(source.name)}"]
    lines += [f"platform = {quote(source.platform)}"] if source.platform else []
    lines += [f"wheel = {quote(source.wheel)}"] if source.wheel else []
    return [*lines, f"sha256 = {quote(source.sha256.hex)}"]


def _render_pins(key: str, pins: tuple[PackagePin, ...]) -> list[str]:
    return [f"{key} = [", *(f"  {_render_pin(pin)}," for pin in pins), "]"] if pins else []


def _render_pin(pin: PackagePin) -> str:
    values = [
        f"name = {quote(pin.name)}",
        f"version = {quote(pin.version)}",
        f"arch = {quote(pin.architecture)}",
        f"archive = {quote(pin.archive)}",
        f"path = {quote(pin.path)}",
        f"size = {pin.size}",
        f"sha256 = {quote(pin.sha256.hex)}",
    ]
    if pin.seen is not None:
        values.append(f"seen = {quote(pin.seen)}")
    return f"{{ {', '.join(values)} }}"


def quote(text: str) -> str:
    if not PLAIN.match(text):
        raise ValueError(f"locks are plain ASCII, without {text!r}")
    return f'"{text}"'


def _read(text: str, record: Record) -> Lock:
    checksum = _CHECKSUM.search(text)
    if "format" not in record or record.value("format", int) != 1:
        raise RecordError("is not a lock: `format` is missing or unknown")
    if checksum is None or checksum[1] != str(_checksum(text[checksum.end() :])):
        raise RecordError("was changed by hand or by a merge: its checksum does not fit")
    lock = _read_lock(record)
    if text != render_lock(lock):
        raise RecordError("is not as `imagefab lock` writes it")
    return lock


def _read_lock(record: Record) -> Lock:
    record.only("checksum", "format", "recipe", "inputs", "epoch", "archive", "source", "platform")
    archives = record.each("archive", read_archive)
    names = {archive.name for archive in archives}
    return Lock(
        recipe=record.text("recipe", WORD),
        inputs=record.digest("inputs"),
        epoch=record.number("epoch"),
        archives=archives,
        sources=record.each("source", read_source),
        platforms=record.each("platform", lambda one: _read_platform(one, names)),
    )


def read_archive(record: Record) -> ArchivePin:
    record.only("name", "archive", "suite", "components", "date", "release")
    return ArchivePin(
        name=record.text("name", WORD),
        archive=record.text("archive", WORD),
        suite=record.text("suite", WORD),
        components=record.texts("components", WORD),
        date=record.text("date", _DATE),
        release=record.digest("release"),
    )


def read_source(record: Record) -> SourcePin:
    record.only("name", "platform", "wheel", "sha256")
    return SourcePin(
        name=record.text("name", WORD),
        sha256=record.digest("sha256"),
        platform=record.text("platform", _PLATFORM) if "platform" in record else None,
        wheel=record.text("wheel", _WHEEL) if "wheel" in record else None,
    )


def _read_platform(record: Record, archives: Set[str]) -> PlatformLock:
    record.only("name", "layer")
    return PlatformLock(
        platform=record.text("name", _PLATFORM), layers=record.each("layer", lambda one: _read_layer(one, archives))
    )


def _read_layer(record: Record, archives: Set[str]) -> LayerLock:
    record.only("name", "packages", "extracts")
    packages = record.each("packages", lambda one: _read_package(one, archives))
    if len({pin.file_name for pin in packages}) < len(packages):
        raise record.error("has two packages in files of one name", "packages")
    return LayerLock(
        name=record.text("name", WORD),
        packages=packages,
        extracts=record.each("extracts", lambda one: _read_package(one, archives)),
    )


def _read_package(record: Record, archives: Set[str]) -> PackagePin:
    record.only("name", "version", "arch", "archive", "path", "size", "sha256", "seen")
    archive = record.text("archive", WORD)
    if archive not in archives:
        raise record.error(f"{archive!r} is no archive of this lock", "archive")
    return PackagePin(
        name=record.text("name", WORD),
        version=record.text("version", WORD),
        architecture=record.text("arch", WORD),
        archive=archive,
        path=record.text("path", INNER_PATH),
        size=record.number("size"),
        sha256=record.digest("sha256"),
        seen=record.text("seen", _DATE) if "seen" in record else None,
    )
