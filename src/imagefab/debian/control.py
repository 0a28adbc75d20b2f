"""Control data (deb822): stanzas of `Field: value` lines, as in Release files, Packages indexes and packages."""

from __future__ import annotations

import re

_FIELD = re.compile(r"(?![-#])([!-9;-~]+):[ \t]*(.*)\Z")


def parse_stanza(text: str) -> dict[str, str]:
    """Parse one stanza, keeping the line breaks of continued lines; ValueError if it is not a stanza."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t"):
            if not name:
                raise ValueError("control data starts with a continuation line")
            fields[name] += "\n" + line[1:]
            continue
        match = _FIELD.match(line)
        if match is None:
            raise ValueError(f"not a line of control data: {line[:60]!r}")
        name = match[1]
        if name in fields:
            raise ValueError(f"{name} is given twice in control data")
        fields[name] = match[2]
    return fields


def split_stanzas(text: str) -> list[str]:
    return [part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
