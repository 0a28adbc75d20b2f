"""The text of imagefab.lock: its only writer and its only reader.

We have our own writer so that a lock has exactly one text: one line per package, sorted, and no line changes without
reason. The first key is the checksum of all following lines, so a manual edit, a bad merge or a truncated file is
detected before anything is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Set

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock.model import FORMAT, LayerLock, Lock, PlatformLock, SourcePin
from imagefab.toml.record import Record, RecordError, parse_record

HEADER = "# written by `imagefab lock`; do not edit\n"
_CHECKSUM = re.compile(r'^checksum = "([^"]*)"\n', re.MULTILINE)
_PLAIN = re.compile(r"[ !#-\[\]-~]*\Z")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
_INNER_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9][!-~]*\.deb\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-_~:]*\Z")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*\Z")


def render_lock(lock: Lock) -> str:
    body = "\n".join(_render_body(lock)) + "\n"
    return f'{HEADER}checksum = "{_checksum(body)}"\n{body}'


def parse_lock(text: str, *, file: str, recipe: str = "RECIPE") -> Lock:
    """Parse a lock; StaleError, with a hint, for anything that this version would not write."""
    text = text.replace("\r\n", "\n")
    try:
        record = parse_record(text)
        if "recipe" in record:
            recipe = record.text("recipe", _WORD)
        _refuse_newer(record, file, recipe)
        return _read(text, record)
    except RecordError as error:
        raise StaleError(f"{file}: {error}", hint=f"run `imagefab lock {recipe}`") from None


def _checksum(body: str) -> Digest:
    return Digest.of_bytes(body.encode())


def _render_body(lock: Lock) -> list[str]:
    lines = [
        f"format = {FORMAT}",
        f"recipe = {_quote(lock.recipe)}",
        f"inputs = {_quote(str(lock.inputs))}",
        f"epoch = {lock.epoch}",
    ]
    for archive in lock.archives:
        lines += [
            "",
            "[[archive]]",
            f"name = {_quote(archive.name)}",
            f"archive = {_quote(archive.archive)}",
            f"suite = {_quote(archive.suite)}",
            f"components = [{', '.join(map(_quote, archive.components))}]",
            f"date = {_quote(archive.date)}",
            f"release = {_quote(str(archive.release))}",
        ]
    for source in lock.sources:
        lines += ["", "[[source]]", f"name = {_quote(source.name)}"]
        lines += [f"platform = {_quote(source.platform)}"] if source.platform else []
        lines += [f"wheel = {_quote(source.wheel)}"] if source.wheel else []
        lines += [f"sha256 = {_quote(source.sha256.hex)}"]
    for platform in lock.platforms:
        lines += ["", "[[platform]]", f"name = {_quote(platform.platform)}"]
        for layer in platform.layers:
            lines += ["", "[[platform.layer]]", f"name = {_quote(layer.name)}"]
            lines += _render_pins("packages", layer.packages)
            lines += _render_pins("extracts", layer.extracts)
    return lines


def _render_pins(key: str, pins: tuple[PackagePin, ...]) -> list[str]:
    return [f"{key} = [", *(f"  {_render_pin(pin)}," for pin in pins), "]"] if pins else []


def _render_pin(pin: PackagePin) -> str:
    values = [
        f"name = {_quote(pin.name)}",
        f"version = {_quote(pin.version)}",
        f"arch = {_quote(pin.architecture)}",
        f"archive = {_quote(pin.archive)}",
        f"path = {_quote(pin.path)}",
        f"size = {pin.size}",
        f"sha256 = {_quote(pin.sha256.hex)}",
    ]
    if pin.seen is not None:
        values.append(f"seen = {_quote(pin.seen)}")
    return f"{{ {', '.join(values)} }}"


def _quote(text: str) -> str:
    if not _PLAIN.match(text):
        raise ValueError(f"locks are plain ASCII, without {text!r}")
    return f'"{text}"'


class NewerLockError(StaleError):
    """A lock written by a later imagefab. It is only replaced on request."""


def _read(text: str, record: Record) -> Lock:
    checksum = _CHECKSUM.search(text)
    if "format" not in record or record.value("format", int) != FORMAT:
        raise RecordError("is not a lock: `format` is missing or unknown")
    if checksum is None or checksum[1] != str(_checksum(text[checksum.end() :])):
        raise RecordError("was changed by hand or by a merge: its checksum does not fit")
    lock = _read_lock(record)
    if text != render_lock(lock):
        raise RecordError("is not as `imagefab lock` writes it")
    return lock


def _refuse_newer(record: Record, file: str, recipe: str) -> None:
    number = record.value("format", int) if "format" in record else 0
    if number > FORMAT:
        raise NewerLockError(
            f"{file}: is of format {number}, this imagefab reads format {FORMAT}",
            hint=f"update imagefab, or make the lock again: `imagefab lock --upgrade {recipe}`",
        )


def _read_lock(record: Record) -> Lock:
    record.only("checksum", "format", "recipe", "inputs", "epoch", "archive", "source", "platform")
    archives = record.each("archive", _read_archive)
    names = {archive.name for archive in archives}
    return Lock(
        recipe=record.text("recipe", _WORD),
        inputs=record.digest("inputs"),
        epoch=record.number("epoch"),
        archives=archives,
        sources=record.each("source", _read_source),
        platforms=record.each("platform", lambda one: _read_platform(one, names)),
    )


def _read_archive(record: Record) -> ArchivePin:
    record.only("name", "archive", "suite", "components", "date", "release")
    return ArchivePin(
        name=record.text("name", _WORD),
        archive=record.text("archive", _WORD),
        suite=record.text("suite", _WORD),
        components=record.texts("components", _WORD),
        date=record.text("date", _DATE),
        release=record.digest("release"),
    )


def _read_source(record: Record) -> SourcePin:
    record.only("name", "platform", "wheel", "sha256")
    return SourcePin(
        name=record.text("name", _WORD),
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
        name=record.text("name", _WORD),
        packages=packages,
        extracts=record.each("extracts", lambda one: _read_package(one, archives)),
    )


def _read_package(record: Record, archives: Set[str]) -> PackagePin:
    record.only("name", "version", "arch", "archive", "path", "size", "sha256", "seen")
    archive = record.text("archive", _WORD)
    if archive not in archives:
        raise record.error(f"{archive!r} is no archive of this lock", "archive")
    return PackagePin(
        name=record.text("name", _WORD),
        version=record.text("version", _WORD),
        architecture=record.text("arch", _WORD),
        archive=archive,
        path=record.text("path", _INNER_PATH),
        size=record.number("size"),
        sha256=record.digest("sha256"),
        seen=record.text("seen", _DATE) if "seen" in record else None,
    )
