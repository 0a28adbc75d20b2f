"""A strict reader of what imagefab itself writes: locks, records of checks and publications, catalogues.

It trusts nothing: each value is validated when it is read, and an error says where it is in the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from imagefab.digest import Digest

_MOST = 1 << 37
"""For sizes, and for dates, which must still be valid calendar dates."""
_T = TypeVar("_T")
_KINDS = {list: "an array", dict: "a table", str: "a string", int: "a number", datetime: "a date with a time"}


class RecordError(ValueError):
    """What is wrong, and where: `platform[0].layer[2].packages[3].sha256`."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(f"{place}: {problem}" if place else problem)


class Record:
    """A table in such a file."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: Mapping[str, Any], place: str = "") -> None:
        self._values = values
        self._place = place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def has(self, key: str) -> bool:
        """Whether a key has a value. JSON has null for none."""
        return self._values.get(key) is not None

    def only(self, *keys: str) -> None:
        """Refuse other keys: this version may misunderstand what another one wrote."""
        for key in self._values:
            if key not in keys:
                raise self.error("is a key that this imagefab does not know", key)

    def value(self, key: str, kind: type[_T]) -> _T:
        if key not in self._values:
            raise self.error("is missing", key)
        value = self._values[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(f"must be {_KINDS[kind]}", key)
        return value

    def text(self, key: str, pattern: re.Pattern[str]) -> str:
        return self._match(self.value(key, str), key, pattern)

    def texts(self, key: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        return tuple(self._match(one, key, pattern) for one in self.value(key, list))

    def texts_by_name(self, key: str, pattern: re.Pattern[str]) -> dict[str, str]:
        """Read a table of texts, which may be missing."""
        entries = self.value(key, dict) if key in self._values else {}
        return {self._match(name, key, pattern): self._match(one, key, pattern) for name, one in entries.items()}

    def number(self, key: str) -> int:
        value = self.value(key, int)
        if not 0 <= value < _MOST:
            raise self.error("must not be negative, nor as large as that", key)
        return value

    def flag(self, key: str) -> bool:
        value = self._values.get(key)
        if not isinstance(value, bool):
            raise self.error("must be true or false", key)
        return value

    def digest(self, key: str) -> Digest:
        return self._parse(self.value(key, str), key)

    def digests(self, key: str) -> tuple[Digest, ...]:
        return tuple(self._parse(one, key) for one in self.value(key, list))

    def each(self, key: str, read: Callable[[Record], _T]) -> tuple[_T, ...]:
        """Read each table of an array, which may be missing."""
        entries = self.value(key, list) if key in self._values else []
        return tuple(read(self._table(one, f"{key}[{number}]")) for number, one in enumerate(entries))

    def tables(self, key: str) -> Iterator[tuple[str, Record]]:
        """Yield the tables in a table, which may be missing, with their names."""
        for name, one in (self.value(key, dict) if key in self._values else {}).items():
            yield name, self._table(one, f"{key}.{name}")

    def error(self, problem: str, key: str) -> RecordError:
        return RecordError(problem, f"{self._place}{key}")

    def _table(self, value: object, key: str) -> Record:
        if not isinstance(value, dict):
            raise self.error("must be a table", key)
        return Record(value, f"{self._place}{key}.")

    def _match(self, value: object, key: str, pattern: re.Pattern[str]) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise self.error(f"{value!r} is not valid", key)
        return value

    def _parse(self, value: object, key: str) -> Digest:
        try:
            return Digest.parse(value if isinstance(value, str) else "")
        except ValueError:
            raise self.error("is not a sha256 digest", key) from None


def parse_record(text: str) -> Record:
    try:
        return Record(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"is not TOML: {error}") from None
