"""The text of a lock's file: its only writer and its only reader.

We have our own writer so that a lock has exactly one text: one line per package, sorted, and no line changes without
reason. The first key is the checksum of all following lines, so a manual edit, a bad merge or a truncated file is
detected before anything is trusted; a lock that stands on a base names the checksum of the base's.

It is TOML, but read by lines: nothing else than what the writer writes is a lock, and reading is several times faster.

A package is a line: name, version, architecture, archive, component and source, size and hash, and for one that the
archive no longer has, the date when it had it. Name, version, component and source make the path in the archive; where
they don't, the path stands there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import Any

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock import format1
from imagefab.lock.format1 import HEADER, INNER_PATH, WORD, quote, read_archive, read_source
from imagefab.lock.model import FORMAT, BasePin, LayerLock, Lock, LockFile, PlatformLock
from imagefab.recipe.model import BASES, name_base
from imagefab.toml.record import Record, RecordError

_CHECKSUM = re.compile(r'checksum = "(sha256:[0-9a-f]{64})"\n')
_FORMAT = re.compile(r"^format = (\d{1,9})$", re.MULTILINE)
_OWNER = re.compile(r'^(recipe|name) = "([^"\n]*)"$', re.MULTILINE)
_MARKER = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")
_HEADING = re.compile(r"\[\[([a-z]+)(?:\.([a-z]+))?\]\]")
_VALUE = re.compile(r'([a-z0-9-]+) = (?:"([^"\\]*)"|(\d{1,12})|\[([^\[\]]*)\])')
_OPENING = re.compile(r"([a-z]+) = \[")
_PACKAGE = re.compile(
    '  "' + r"([A-Za-z0-9][A-Za-z0-9+.\-_~:]*) " * 4 + r'([!#-\[\]-~]+) (\d{1,12}) ([0-9a-f]{64})(?: (\d{8}T\d{6}Z))?",'
)


class NewerLockError(StaleError):
    """A lock written by a later imagefab. It is only replaced on request."""


# -- writing -----------------------------------------------------------------------------------------------------------


def render_lock(file: LockFile) -> str:
    body = "\n".join(_render_body(file)) + "\n"
    return f'{HEADER}checksum = "{Digest.of_bytes(body.encode())}"\n{body}'


def find_checksum(file: LockFile) -> Digest:
    """The checksum by which others refer to this state of the file."""
    return Digest.of_bytes(("\n".join(_render_body(file)) + "\n").encode())


def read_checksum(text: str) -> Digest:
    """The checksum in the text of a lock, which was parsed before."""
    found = _CHECKSUM.search(text)
    assert found is not None
    return Digest.parse(found[1])


def _render_body(file: LockFile) -> list[str]:
    own = file.own
    owner = (
        f"name = {quote(own.recipe.removeprefix(f'{BASES}/'))}" if file.is_of_base else f"recipe = {quote(own.recipe)}"
    )
    lines = [f"format = {FORMAT}", owner, f"inputs = {quote(str(own.inputs))}"]
    if file.base is None:
        lines.append(f"epoch = {own.epoch}")
    else:
        lines += [f"base = {quote(file.base.name)}", f"base-checksum = {quote(str(file.base.checksum))}"]
    for archive in own.archives:
        lines += format1.render_archive(archive)
    for source in own.sources:
        lines += format1.render_source(source)
    for platform in own.platforms:
        lines += ["", "[[platform]]", f"name = {quote(platform.platform)}"]
        for layer in platform.layers:
            lines += ["", "[[platform.layer]]", f"name = {quote(layer.name)}"]
            lines += _render_pins("packages", layer.packages)
            lines += _render_pins("extracts", layer.extracts)
    return lines


def _render_pins(key: str, pins: Sequence[PackagePin]) -> list[str]:
    return [f"{key} = [", *map(_render_pin, pins), "]"] if pins else []


def _render_pin(pin: PackagePin) -> str:
    seen = f" {pin.seen}" if pin.seen is not None else ""
    text = (
        f"{pin.name} {pin.version} {pin.architecture} {pin.archive} {_shorten_path(pin)}"
        f" {pin.size} {pin.sha256.hex}{seen}"
    )
    return f"  {quote(text)},"


def _shorten_path(pin: PackagePin) -> str:
    """The component and the source of a package, if they say where it is in the archive; else its path."""
    parts = pin.path.split("/")
    short = "/".join((*parts[1:-3], *parts[-2:-1]))
    return (
        short
        if parts[0] == "pool" and _make_path(short, pin.name, pin.version, pin.architecture) == pin.path
        else pin.path
    )


def _make_path(place: str, name: str, version: str, architecture: str) -> str:
    """The path that `main/glibc` stands for; a path stands for itself."""
    if place.endswith(".deb"):
        return place
    component, _, source = place.rpartition("/")
    letter = source[:4] if source.startswith("lib") else source[:1]
    return f"pool/{component}/{letter}/{source}/{name}_{version.rpartition(':')[2]}_{architecture}.deb"


# -- reading -----------------------------------------------------------------------------------------------------------


def parse_lock(text: str, *, file: str, recipe: str = "RECIPE") -> LockFile:
    """Parse a lock's file; StaleError, with a hint, for anything that this version would not write.

    `file` is its name in messages, `recipe` whose it should be: `bases/<base>` for a base's.
    """
    text = text.replace("\r\n", "\n")
    owner = _OWNER.search(text)
    if owner is not None and WORD.match(owner[2]):
        recipe = owner[2] if owner[1] == "recipe" else name_base(owner[2])
    try:
        number = _find_format(text)
        if number > FORMAT:
            raise NewerLockError(
                f"{file}: is of format {number}, this imagefab reads format {FORMAT}",
                hint=f"update imagefab, or make the lock again: `imagefab lock --upgrade {recipe}`",
            )
        return LockFile(own=format1.parse_lock(text), format=1) if number == 1 else _parse(text)
    except RecordError as error:
        if _MARKER.search(text):
            raise StaleError(
                f"{file}: has the conflict markers of a merge",
                hint=f"take one side, by `git checkout --ours` or `--theirs`, then run `imagefab lock {recipe}`",
            ) from None
        raise StaleError(f"{file}: {error}", hint=f"run `imagefab lock {recipe}`") from None


def _find_format(text: str) -> int:
    found = _FORMAT.search(text)
    if found is None or found[1] == "0":
        raise RecordError("is not a lock: `format` is missing or unknown")
    return int(found[1])


@lru_cache(256)
def _parse(text: str) -> LockFile:
    """Parse the text of a lock. One that many recipes stand on is parsed once."""
    checksum = _CHECKSUM.match(text, len(HEADER))
    if checksum is None or not text.startswith(HEADER):
        raise RecordError("is not as `imagefab lock` writes it")
    if checksum[1] != str(Digest.of_bytes(text[checksum.end() :].encode())):
        raise RecordError("was changed by hand or by a merge: its checksum does not fit")
    found = _read_file(Record(_parse_lines(text[checksum.end() :].split("\n"))))
    if text != render_lock(found):
        raise RecordError("is not as `imagefab lock` writes it")
    return found


def _parse_lines(lines: Sequence[str]) -> dict[str, Any]:
    """Parse the part of TOML that locks are written in."""
    top: dict[str, Any] = {}
    table: dict[str, Any] = top
    packages: list[tuple[str, ...]] | None = None
    for line in lines:
        if packages is not None:
            if (package := _PACKAGE.fullmatch(line)) is not None:
                packages.append(package.groups())
            elif line == "]":
                packages = None
            else:
                raise RecordError(f"{line.strip()[:80]!r} is not a package")
        elif (value := _VALUE.fullmatch(line)) is not None:
            table[value[1]] = _read_value(value)
        elif (opening := _OPENING.fullmatch(line)) is not None:
            packages = table[opening[1]] = []
        elif (heading := _HEADING.fullmatch(line)) is not None:
            table = _open_table(top, heading)
        elif line:
            raise RecordError(f"{line[:80]!r} is not as `imagefab lock` writes it")
    return top


def _read_value(value: re.Match[str]) -> str | int | list[str]:
    if value[2] is not None:
        return value[2]
    if value[3] is not None:
        return int(value[3])
    return [one.strip('"') for one in value[4].split(", ")]


def _open_table(top: dict[str, Any], heading: re.Match[str]) -> dict[str, Any]:
    outer = top.setdefault(heading[1], [])
    if heading[2] is not None:
        outer = outer[-1].setdefault(heading[2], []) if outer else None
    if not isinstance(outer, list):
        raise RecordError(f"{heading[0]} is not as `imagefab lock` writes it")
    table: dict[str, Any] = {}
    outer.append(table)
    return table


def _read_file(record: Record) -> LockFile:
    record.only("format", "recipe", "name", "inputs", "epoch", "base", "base-checksum", "archive", "source", "platform")
    archives = record.each("archive", read_archive)
    names = {archive.name for archive in archives}
    own = Lock(
        recipe=name_base(record.text("name", WORD)) if "name" in record else record.text("recipe", WORD),
        inputs=record.digest("inputs"),
        epoch=0 if "base" in record else record.number("epoch"),
        archives=archives,
        sources=record.each("source", read_source),
        platforms=record.each("platform", lambda one: _read_platform(one, names)),
    )
    if "base" not in record:
        return LockFile(own=own)
    return LockFile(own=own, base=BasePin(name=record.text("base", WORD), checksum=record.digest("base-checksum")))


def _read_platform(record: Record, archives: Set[str]) -> PlatformLock:
    record.only("name", "layer")
    return PlatformLock(
        platform=record.text("name", _PLATFORM), layers=record.each("layer", lambda one: _read_layer(one, archives))
    )


def _read_layer(record: Record, archives: Set[str]) -> LayerLock:
    record.only("name", "packages", "extracts")
    packages = _read_pins(record, "packages", archives)
    if len({pin.file_name for pin in packages}) < len(packages):
        raise record.error("has two packages in files of one name", "packages")
    return LayerLock(
        name=record.text("name", WORD), packages=packages, extracts=_read_pins(record, "extracts", archives)
    )


def _read_pins(record: Record, key: str, archives: Set[str]) -> tuple[PackagePin, ...]:
    found = record.value(key, list) if key in record else []
    pins = tuple(map(_read_pin, found))
    for number, pin in enumerate(pins):
        if pin.archive not in archives:
            raise record.error(f"{pin.archive!r} is no archive of this lock", f"{key}[{number}]")
        if not INNER_PATH.match(pin.path):
            raise record.error(f"{pin.path!r} is not valid", f"{key}[{number}]")
    if list(pins) != sorted(pins, key=lambda pin: (pin.name, pin.architecture)):
        raise record.error("is not sorted", key)
    return pins


def _read_pin(values: Sequence[str]) -> PackagePin:
    name, version, architecture, archive, place, size, sha256, seen = values
    return PackagePin(
        name=name,
        version=version,
        architecture=architecture,
        archive=archive,
        path=_make_path(place, name, version, architecture),
        size=int(size),
        sha256=Digest(sha256),
        seen=seen,
    )
