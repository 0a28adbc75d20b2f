"""Debian version numbers and their order, as dpkg defines it.

A version is converted to a key once, and keys compare as plain tuples. Text parts sort letters before other characters
and `~` before everything, even the end; so every text part ends with 0, and `~` is -1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

_PartKey = tuple[int | tuple[int, ...], ...]
VersionKey = tuple[int, _PartKey, _PartKey]

_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_EPOCH = re.compile(r"[0-9]+\Z")

_OPERATORS: dict[str, Callable[[VersionKey, VersionKey], bool]] = {
    "<<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    ">>": lambda a, b: a > b,
}


@cache
def version_key(text: str) -> VersionKey:
    """Return the key that versions sort by; equal keys are equal versions, as with `1.0` and `1.00`."""
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    elif not _EPOCH.match(epoch):
        raise ValueError(f"not a version: {text!r}")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _part_key(upstream), _part_key(revision)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    return _OPERATORS[operator](version_key(version), version_key(wanted))


def _part_key(text: str) -> _PartKey:
    key: list[int | tuple[int, ...]] = []
    for letters, digits in _PARTS.findall(text or "0"):
        key.append((*map(_letter_order, letters), 0))
        key.append(int(digits or 0))
    return tuple(key)


def _letter_order(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isascii() and letter.isalpha() else ord(letter) + 256
