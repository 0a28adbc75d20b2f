"""Make untrusted text safe for terminals and logs: what steps print, and names from images and registries.

A terminal acts on control characters, and text whose direction changes looks different from what it is. CI services act
on lines that look like their commands: GitHub on `::name::`, and on `##[name]` anywhere, Azure on `##vso[…]`, GitLab on
`section_start:…`.
"""

from __future__ import annotations

import json
import re

_COLOUR = re.compile(r"\x1b\[[0-9;:]*[mK]")
"""Most control sequences in logs are of this kind, and don't change the text."""
_LINE_END = re.compile(r"\r\n?")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")
_UNPRINTABLE = re.compile(r"[^\n\t\x20-\x7e]+")
_COMMAND = re.compile(r"^([ \t]*)::", re.MULTILINE)
_MARKED = re.compile(r"##(?=\w*\[)")
_SECTION = re.compile(r"section_(?=(?:start|end):)")


def escape(text: str) -> str:
    """Escape characters that act on a terminal or can't be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def make_printable(text: str) -> str:
    """Escape a text, but keep line ends and tabs; CI commands get a backslash."""
    text = _LINE_END.sub("\n", _COLOUR.sub("", text))
    text = _UNPRINTABLE.sub(lambda found: escape(found[0]), text)
    return _SECTION.sub(r"section\\_", _MARKED.sub(r"#\\#", _COMMAND.sub(r"\1\\::", text)))


def make_line(text: str) -> str:
    """Make a text printable, as one line."""
    return make_printable(text).replace("\n", "\\n")


def make_printable_json(text: str) -> str:
    """Make JSON printable, using its own escapes. JSON's lines can't begin with a CI command."""
    text = _BEYOND_ASCII.sub(lambda found: found[0] if found[0].isprintable() else _spell(found[0]), text)
    return _MARKED.sub(r"#\\u0023", text)


def _spell(text: str) -> str:
    return json.dumps(text)[1:-1]


def format_size(size: int) -> str:
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000 or unit == "GB":
            return f"{amount:.1f} {unit}"
    raise AssertionError
