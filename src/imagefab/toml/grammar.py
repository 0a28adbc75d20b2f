"""Building blocks to declare the format of a TOML file: texts, numbers, lists and tables with their rules.

A declaration serves two purposes. `read` validates a value, reports every problem at its path and returns the valid
parts, so that one run finds all problems; `schema` returns the same as JSON schema, for editors. Invalid values become
None, which TOML does not have: an invalid key is absent from its table, an invalid element keeps its index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from imagefab.printable import escape
from imagefab.toml.positions import Path

_TYPES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}

# Bidirectional controls and line separators make a text look different from what it is.
_DECEIVING = r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a document, without line and column yet."""

    path: Path
    text: str
    hint: str | None = None
    on_key: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """The path that is being read, and the list to report problems to."""

    problems: list[Problem]
    path: Path = ()

    def at(self, *steps: str | int) -> Spot:
        return Spot(self.problems, (*self.path, *steps))

    def report(self, text: str, hint: str | None = None, *, on_key: bool = False) -> None:
        self.problems.append(Problem(self.path, text, hint, on_key))


def quote(text: str) -> str:
    """Format a text from the user for a message: short and printable."""
    return f"`{escape(text if len(text) <= 80 else text[:79] + '…')}`"


def name_type(value: object) -> str:
    return _TYPES.get(type(value), "a date or time")


def find_closest(value: str, choices: Iterable[str]) -> str | None:
    """Return the choice that was probably meant."""
    from difflib import get_close_matches  # on the error path only

    close = get_close_matches(value[:100].lower(), sorted(choices), n=1)
    return close[0] if close else None


def suggest(value: str, choices: Iterable[str], *, noun: str) -> str | None:
    """Make a hint for an unknown name; `noun` says what the choices are, in the plural."""
    known = sorted(choices)
    if meant := find_closest(value, known):
        return f"did you mean `{meant}`?"
    if 0 < len(known) <= 12:
        return f"the {noun} are {', '.join(f'`{name}`' for name in known)}"
    return None


class Declaration(Protocol):
    """The interface of every declaration."""

    def read(self, value: object, spot: Spot) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that a text must or must not match, in the syntax that Python and JSON schema share."""

    pattern: str
    problem: str
    """The message for a text that breaks it; `{}` is the text."""
    hint: str | None = None
    forbids: bool = False

    def explain(self, value: str) -> str:
        return self.problem.format(quote(value))

    def holds(self, value: str) -> bool:
        return (_compile(self.pattern).search(value) is None) == self.forbids

    def schema(self) -> dict[str, Any]:
        return {"not": {"pattern": self.pattern}} if self.forbids else {"pattern": self.pattern}


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_ONE_LINE = Rule(
    rf"[\u0000-\u001f\u007f-\u009f{_DECEIVING}]",
    "{} has a control character or a line break in it",
    forbids=True,
)
_MANY_LINES = Rule(
    rf"[\u0000-\u0008\u000b-\u001f\u007f-\u009f{_DECEIVING}]",
    "there is a control character in the text",
    "only line feeds and tabs are allowed",
    forbids=True,
)
NOT_EMPTY = Rule(r"[^ \t\n]", "this cannot be empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    rules: tuple[Rule, ...] = ()
    choices: tuple[str, ...] = ()
    noun: str = "value"
    """What the text is, if it has to be one of the choices."""
    multiline: bool = False
    example: str | None = None
    """What to suggest to a user who wrote a number."""
    find_fault: Callable[[str], str | None] = lambda value: None
    """Says what is wrong with a text, for rules that no pattern, and so no schema, can express."""

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        return (_MANY_LINES if self.multiline else _ONE_LINE, *self.rules)

    def read(self, value: object, spot: Spot) -> str | None:
        if not isinstance(value, str):
            number = isinstance(value, (bool, int, float))
            instead = f'`"{self.example or str(value).lower()}"`'
            spot.report(*_mistype("a string", value, instead if number else None))
            return None
        if self.choices and value not in self.choices:
            spot.report(f"unknown {self.noun} {quote(value)}", suggest(value, self.choices, noun=f"{self.noun}s"))
            return None
        if (broken := self.find_broken(value)) is not None:
            spot.report(broken.explain(value), broken.hint)
            return None
        if (fault := self.find_fault(value)) is not None:
            spot.report(fault)
            return None
        return value

    def find_broken(self, value: str) -> Rule | None:
        """Return the first rule that a text breaks."""
        return next((rule for rule in self.all_rules if not rule.holds(value)), None)

    def schema(self) -> dict[str, Any]:
        if self.choices:
            return {"enum": list(self.choices)}
        return {"type": "string", "allOf": [rule.schema() for rule in self.all_rules]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    minimum: int | None = None

    def read(self, value: object, spot: Spot) -> int | None:
        if not isinstance(value, int) or isinstance(value, bool):
            digits = isinstance(value, str) and value.isdecimal()
            spot.report(*_mistype("an integer", value, quote(str(value)) if digits else None))
            return None
        if self.minimum is not None and value < self.minimum:
            spot.report(f"expected {self.minimum} or more, found {value}")
            return None
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer"} | ({} if self.minimum is None else {"minimum": self.minimum})


@dataclass(frozen=True, slots=True)
class Boolean:
    def read(self, value: object, spot: Spot) -> bool | None:
        if not isinstance(value, bool):
            spot.report(*_mistype("a boolean", value, "`true` or `false`"))
            return None
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    item: Declaration
    unique_by: str | None = None
    """For a list of tables: the key that must be unique. Plain values must be unique themselves."""
    not_empty: bool = False

    def read(self, value: object, spot: Spot) -> list[Any] | None:
        if not isinstance(value, list):
            spot.report(*_mistype("an array", value, quote(f'["{value}"]') if isinstance(value, str) else None))
            return None
        if self.not_empty and not value:
            spot.report("this array cannot be empty")
            return None
        items = [self.item.read(element, spot.at(index)) for index, element in enumerate(value)]
        self._report_twins(items, spot)
        return items

    def _report_twins(self, items: list[Any], spot: Spot) -> None:
        seen = set()
        for index, item in enumerate(items):
            name = item.get(self.unique_by) if isinstance(item, dict) else item
            if name is None:
                continue
            if name in seen:
                place = spot.at(index, self.unique_by) if self.unique_by else spot.at(index)
                place.report(f"{quote(str(name))} is repeated")
            seen.add(name)

    def schema(self) -> dict[str, Any]:
        # A schema can only compare whole elements, so unique keys of tables are left to the loader.
        plain = {} if self.unique_by else {"uniqueItems": True}
        return {"type": "array", "items": self.item.schema()} | plain | ({"minItems": 1} if self.not_empty else {})


@dataclass(frozen=True, slots=True)
class OneOrMany:
    """A list that may also be written as its only element."""

    many: ListOf

    def read(self, value: object, spot: Spot) -> list[Any] | None:
        if isinstance(value, str):
            item = self.many.item.read(value, spot)
            return None if item is None else [item]
        return self.many.read(value, spot)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.many.item.schema(), self.many.schema()]}


@dataclass(frozen=True, slots=True)
class MapOf:
    """A table whose keys the user chooses."""

    key: Text
    value: Declaration

    def read(self, value: object, spot: Spot) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            spot.report(*_mistype("a table", value))
            return None
        found: dict[str, Any] = {}
        for key, element in value.items():
            place = spot.at(key)
            before = len(spot.problems)
            if (broken := self.key.find_broken(key)) is not None:
                place.report(broken.explain(key), broken.hint, on_key=True)
            good = self.value.read(element, place)
            if len(spot.problems) == before:
                found[key] = good
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "propertyNames": self.key.schema(), "additionalProperties": self.value.schema()}


@dataclass(frozen=True, slots=True)
class AnyTable:
    """A table whose keys depend on something else in the document; the caller reads them."""

    def read(self, value: object, spot: Spot) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            spot.report(*_mistype("a table", value))
            return None
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Field:
    node: Declaration
    description: str
    required: bool = False
    default: str | int | bool | None = None

    def schema(self) -> dict[str, Any]:
        default = {} if self.default is None else {"default": self.default}
        return {"description": self.description} | self.node.schema() | default


@dataclass(frozen=True, slots=True)
class Table:
    fields: Mapping[str, Field]
    exactly_one: tuple[str, ...] = field(default=(), kw_only=True)
    """Mutually exclusive keys, one of which is required."""
    at_most_one: tuple[str, ...] = field(default=(), kw_only=True)
    """Mutually exclusive keys, none of which is required."""
    together: tuple[str, ...] = field(default=(), kw_only=True)
    """Keys that must be given together."""

    def read(self, value: object, spot: Spot) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            spot.report(*_mistype("a table", value))
            return None
        mistaken = self._report_unknown(value, spot)
        for name, declared in self.fields.items():
            if declared.required and name not in value and name not in mistaken:
                spot.report(f"missing key `{name}`", declared.description)
        if self.exactly_one and not mistaken.intersection(self.exactly_one):
            self._report_choice(self.exactly_one, value, spot)
        self._report_rivals(self.at_most_one, value, spot)
        if not mistaken.intersection(self.together) and any(name in value for name in self.together):
            self._report_missing(value, spot)
        found = {name: self.fields[name].node.read(value[name], spot.at(name)) for name in self.fields if name in value}
        return {name: good for name, good in found.items() if good is not None}

    def _report_unknown(self, value: dict[str, Any], spot: Spot) -> set[str | None]:
        """Report undeclared keys; returns the declared ones that they seem to be misspellings of."""
        mistaken: set[str | None] = set()
        absent = [name for name in self.fields if name not in value]
        for name in value:
            if name not in self.fields:
                hint = suggest(name, absent, noun="other keys that can be here")
                spot.at(name).report(f"unknown key {quote(name)}", hint, on_key=True)
                mistaken.add(find_closest(name, absent))
        return mistaken

    def _report_missing(self, value: dict[str, Any], spot: Spot) -> None:
        for name in self.together:
            if name not in value:
                spot.report(f"missing key {quote(name)}", self.fields[name].description)

    def _report_choice(self, names: tuple[str, ...], value: dict[str, Any], spot: Spot) -> None:
        if not any(name in value for name in names):
            spot.report(f"missing key {' or '.join(quote(name) for name in names)}")
        self._report_rivals(names, value, spot)

    @staticmethod
    def _report_rivals(names: tuple[str, ...], value: dict[str, Any], spot: Spot) -> None:
        present = [name for name in names if name in value]
        for name in present[1:]:
            spot.at(name).report(f"{quote(present[0])} and {quote(name)} exclude each other", on_key=True)

    def schema(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "type": "object",
            "properties": {name: declared.schema() for name, declared in self.fields.items()},
            "additionalProperties": False,
        }
        if required := [name for name, declared in self.fields.items() if declared.required]:
            result["required"] = required
        if self.together:
            result["dependentRequired"] = {
                name: [other for other in self.together if other != name] for name in self.together
            }
        if self.exactly_one:
            result["oneOf"] = [{"required": [name]} for name in self.exactly_one]
        if self.at_most_one:
            result["not"] = {"required": list(self.at_most_one)}
        return result


def _mistype(expected: str, value: object, instead: str | None = None) -> tuple[str, str | None]:
    return f"expected {expected}, found {name_type(value)}", None if instead is None else f"write {instead}"
