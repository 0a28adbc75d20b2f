"""A strict reader of Dockerfiles, as BuildKit reads them: lines, continuations, comments, quoted words."""

from __future__ import annotations

import re

_CONTINUES = re.compile(r"\\[ \t]*$")


def parse_dockerfile(text: str) -> list[tuple[str, str]]:
    """The instructions: keyword and the rest, with continued lines joined."""
    assert text.endswith("\n")
    assert text.splitlines() == text[:-1].split("\n"), "there is a line break that is no line feed"
    found: list[tuple[str, str]] = []
    pending: list[str] = []
    for line in text[:-1].split("\n"):
        if line.lstrip().startswith("#") or not (pending or line.strip()):
            continue
        assert line.strip(), "an empty line inside of an instruction"
        pending.append(_CONTINUES.sub("", line).strip())
        if not _CONTINUES.search(line):
            keyword, _, rest = " ".join(pending).partition(" ")
            assert keyword in {"FROM", "ARG", "ADD", "COPY", "RUN", "LABEL", "ENV", "CMD"}, keyword
            found.append((keyword, rest))
            pending = []
    assert not pending, "the last instruction goes on"
    return found


def read_pairs(rest: str) -> list[tuple[str, str]]:
    """The names and values of ENV and LABEL: words split at blanks outside of quotes, quotes and escapes taken away.

    Raises where the engine would put a variable's value in.
    """
    pairs: list[tuple[str, str]] = []
    for word in _split_words(rest):
        name, equals, value = word.partition("=")
        assert equals, f"not a pair: {word!r}"
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name)
        pairs.append((name, _unquote(value)))
    return pairs


def _split_words(rest: str) -> list[str]:
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(rest):
        char = rest[position]
        if char == "\\" and quote != "'":
            word += rest[position : position + 2]
            position += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in " \t":
            if word:
                words.append(word)
            word, position = "", position + 1
            continue
        word += char
        position += 1
    assert not quote, "a quote is not closed"
    return [*words, word] if word else words


def _unquote(value: str) -> str:
    plain, quote, position = "", "", 0
    while position < len(value):
        char = value[position]
        position += 1
        if quote == "'":
            quote, plain = ("", plain) if char == "'" else (quote, plain + char)
        elif char == "\\":
            following = value[position : position + 1]
            position += 1
            plain += following if not quote or following in '"$\\' else f"\\{following}"
        elif char == "$":
            raise AssertionError("the engine would put a variable in")
        elif char == quote:
            quote = ""
        elif char in "\"'" and not quote:
            quote = char
        else:
            plain += char
    return plain
