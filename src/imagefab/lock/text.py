"""imagefab.lock as text: one writer, one reader.

The writer is our own, so that one lock has one text: a line a package, sorted, no line that changes without reason.
The first key is the checksum of all other lines; so an edit by hand, a bad merge or a cut-off file shows itself
before anything is believed. The reader trusts nothing: each value is checked, and an error says where it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock.model import FORMAT, LayerLock, Lock, PlatformLock, SourcePin

HEADER = "# written by `imagefab lock`; do not edit\n"
_CHECKSUM = re.compile(r'^checksum = "([^"]*)"\n', re.MULTILINE)
_PLAIN = re.compile(r"[ !#-\[\]-~]*\Z")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
_INNER_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[A-Za-z0-9][!-~]*\.deb\Z")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.\-_~:]*\Z")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+\Z")
_WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*\Z")
_T = TypeVar("_T")
_MOST = 1 << 37
"""For sizes, and for dates, which calendars must still be able to name."""


def render_lock(lock: Lock) -> str:
    body = "\n".join(_render_body(lock)) + "\n"
    return f'{HEADER}checksum = "{_checksum(body)}"\n{body}'


def parse_lock(text: str, *, file: str, recipe: str = "RECIPE") -> Lock:
    """StaleError, with the way out as its hint, for everything that is not a lock as this version writes it."""
    text = text.replace("\r\n", "\n")
    return _Reader(file, recipe).read(text)


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
    """A lock that a later imagefab wrote. Nothing replaces it unless that is asked for."""


class _Reader:
    """Reads one file. Every method takes the place it reads, as `platform[0].layer[2].packages[3].sha256`."""

    def __init__(self, file: str, recipe: str) -> None:
        self._file = file
        self._recipe = recipe
        self._archive_names: set[str] = set()

    def read(self, text: str) -> Lock:
        checksum = _CHECKSUM.search(text)
        try:
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            self._fail(f"is not TOML: {error}")
        recipe = table.get("recipe")
        if isinstance(recipe, str) and _WORD.match(recipe):
            self._recipe = recipe
        number = table.get("format")
        if isinstance(number, int) and number > FORMAT:
            raise NewerLockError(
                f"{self._file}: is of format {number}, this imagefab reads format {FORMAT}",
                hint=f"update imagefab, or make the lock again: `imagefab lock --upgrade {self._recipe}`",
            )
        if number != FORMAT:
            self._fail("is not a lock: `format` is missing or unknown")
        if checksum is None or checksum[1] != str(_checksum(text[checksum.end() :])):
            self._fail("was changed by hand or by a merge: its checksum does not fit")
        lock = self._lock(table)
        if text != render_lock(lock):
            self._fail("is not as `imagefab lock` writes it")
        return lock

    def _fail(self, problem: str, place: str = "") -> NoReturn:
        raise StaleError(
            f"{self._file}: {place}{': ' if place else ''}{problem}", hint=f"run `imagefab lock {self._recipe}`"
        )

    def _lock(self, table: Mapping[str, Any]) -> Lock:
        self._only(
            table, "", "checksum", "format", "recipe", "inputs", "epoch", "archive", "source", "platform", optional=True
        )
        archives = self._each(table, "archive", "", self._archive)
        self._archive_names = {archive.name for archive in archives}
        return Lock(
            recipe=self._word(table, "recipe", ""),
            inputs=self._digest(table, "inputs", ""),
            epoch=self._count(table, "epoch", ""),
            archives=archives,
            sources=self._each(table, "source", "", self._source),
            platforms=self._each(table, "platform", "", self._platform),
        )

    def _archive(self, table: Mapping[str, Any], place: str) -> ArchivePin:
        self._only(table, place, "name", "archive", "suite", "components", "date", "release")
        components = self._value(table, "components", place, list)
        if not all(isinstance(component, str) and _WORD.match(component) for component in components):
            self._fail("must be names", f"{place}components")
        return ArchivePin(
            name=self._word(table, "name", place),
            archive=self._word(table, "archive", place),
            suite=self._word(table, "suite", place),
            components=tuple(components),
            date=self._text(table, "date", place, _DATE),
            release=self._digest(table, "release", place),
        )

    def _source(self, table: Mapping[str, Any], place: str) -> SourcePin:
        self._only(table, place, "name", "platform", "wheel", "sha256", optional=True)
        return SourcePin(
            name=self._word(table, "name", place),
            sha256=self._digest(table, "sha256", place),
            platform=self._text(table, "platform", place, _PLATFORM) if "platform" in table else None,
            wheel=self._text(table, "wheel", place, _WHEEL) if "wheel" in table else None,
        )

    def _platform(self, table: Mapping[str, Any], place: str) -> PlatformLock:
        self._only(table, place, "name", "layer", optional=True)
        return PlatformLock(
            platform=self._text(table, "name", place, _PLATFORM),
            layers=self._each(table, "layer", place, self._layer),
        )

    def _layer(self, table: Mapping[str, Any], place: str) -> LayerLock:
        self._only(table, place, "name", "packages", "extracts", optional=True)
        packages = self._each(table, "packages", place, self._package)
        if len({pin.file_name for pin in packages}) < len(packages):
            self._fail("has two packages in files of one name", f"{place}packages")
        return LayerLock(
            name=self._word(table, "name", place),
            packages=packages,
            extracts=self._each(table, "extracts", place, self._package),
        )

    def _package(self, table: Mapping[str, Any], place: str) -> PackagePin:
        self._only(table, place, "name", "version", "arch", "archive", "path", "size", "sha256", "seen", optional=True)
        archive = self._word(table, "archive", place)
        if archive not in self._archive_names:
            self._fail(f"{archive!r} is no archive of this lock", f"{place}archive")
        return PackagePin(
            name=self._word(table, "name", place),
            version=self._word(table, "version", place),
            architecture=self._word(table, "arch", place),
            archive=archive,
            path=self._text(table, "path", place, _INNER_PATH),
            size=self._count(table, "size", place),
            sha256=self._digest(table, "sha256", place),
            seen=self._text(table, "seen", place, _DATE) if "seen" in table else None,
        )

    def _only(self, table: Mapping[str, Any], place: str, *keys: str, optional: bool = False) -> None:
        for key in table:
            if key not in keys:
                self._fail("is a key that this imagefab does not know", f"{place}{key}")
        for key in () if optional else keys:
            if key not in table:
                self._fail("is missing", f"{place}{key}")

    def _each(
        self, table: Mapping[str, Any], key: str, place: str, read: Callable[[Mapping[str, Any], str], _T]
    ) -> tuple[_T, ...]:
        entries = table.get(key, [])
        if not isinstance(entries, list):
            self._fail("must be an array", f"{place}{key}")
        values = []
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self._fail("must be a table", f"{place}{key}[{number}]")
            values.append(read(entry, f"{place}{key}[{number}]."))
        return tuple(values)

    def _value(self, table: Mapping[str, Any], key: str, place: str, kind: type[_T]) -> _T:
        if key not in table:
            self._fail("is missing", f"{place}{key}")
        value = table[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            self._fail(f"must be of type {kind.__name__}", f"{place}{key}")
        return value

    def _text(self, table: Mapping[str, Any], key: str, place: str, pattern: re.Pattern[str]) -> str:
        value = self._value(table, key, place, str)
        if not pattern.match(value):
            self._fail(f"{value!r} is not a {key}", f"{place}{key}")
        return value

    def _word(self, table: Mapping[str, Any], key: str, place: str) -> str:
        return self._text(table, key, place, _WORD)

    def _count(self, table: Mapping[str, Any], key: str, place: str) -> int:
        value = self._value(table, key, place, int)
        if not 0 <= value < _MOST:
            self._fail("must not be negative, nor as large as that", f"{place}{key}")
        return value

    def _digest(self, table: Mapping[str, Any], key: str, place: str) -> Digest:
        try:
            return Digest.parse(self._value(table, key, place, str))
        except ValueError:
            self._fail("is not a sha256 digest", f"{place}{key}")
