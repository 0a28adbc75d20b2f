""".cargo/config.toml: the linker and runner of each target, for running cargo in an image without cross.

A target's other settings, like rustflags, and everything else in the file stay unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagefab.toml.edit import Change, ValueDifference, change_text, find_value, list_differences, read_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Stanza:
    recipe: str
    triple: str
    linker: str | None
    runner: str | None
    """A command: a program and its arguments."""


def make_stanza(recipe: str, triple: str, environments: Iterable[Mapping[str, str]]) -> Stanza:
    """Return what the image's environment sets for cargo, if all of its host platforms agree."""
    upper = triple.upper().replace("-", "_").replace(".", "_")
    found = list(environments)

    def agree(name: str) -> str | None:
        values = {environment.get(f"CARGO_TARGET_{upper}_{name}") for environment in found}
        return values.pop() if len(values) == 1 else None

    return Stanza(recipe=recipe, triple=triple, linker=agree("LINKER"), runner=agree("RUNNER"))


def update_cargo_config(text: str, stanzas: Iterable[Stanza]) -> tuple[str, tuple[ValueDifference, ...]]:
    """Return the text with the stanzas, and where it differs. EditError if a value cannot be inserted."""
    data = read_data(text)
    changes = list(_make_changes(data, stanzas))
    return change_text(text, changes), list_differences(data, changes)


def _make_changes(data: Mapping[str, Any], stanzas: Iterable[Stanza]) -> Iterator[Change]:
    for stanza in stanzas:
        for key, value in (("linker", stanza.linker), ("runner", stanza.runner)):
            path = ("target", stanza.triple, key)
            # Cargo accepts a command as one string or as an array of words.
            if value is not None and find_value(data, path) not in (value, value.split()):
                yield Change(path, value)
