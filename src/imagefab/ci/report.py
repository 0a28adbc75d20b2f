"""The result of a refresh, as Markdown for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagefab.lock.staleness import PackageChange
from imagefab.printable import make_line, make_printable

_MOST_PACKAGES = 200
_MOST_LOG = 200
_MARKUP = re.compile(r"([|<>`\\*_\[\]])")
_REFERENCE = re.compile(r"[@#]|(?<=www)(?=\.)|(?<=:)(?=//)", re.IGNORECASE)
"""What services turn into links and notifications: `@name`, `#1`, `www.`, `https://`."""
_NOTHING = "&#8203;"
"""A zero-width space."""
_BUILT = "It is built with the new lock and passes all probes, but is not published.\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    recipe: str
    target: str
    packages: tuple[PackageChange, ...]
    digest: tuple[str | None, str]
    """Before and after."""
    sizes: tuple[tuple[str, int | None, int], ...]
    """For each host platform, before and after."""
    probes: tuple[tuple[str, str], ...]
    reference: str | None = None
    """Where it was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    recipe: str
    log: str
    is_built: bool = False
    """Whether the image was built from the current lock and is good, but not published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadPin:
    reference: str
    places: tuple[str, ...]
    reason: str


def compose_report(
    count: int,
    *,
    changes: Sequence[ImageChange],
    failures: Sequence[Failure],
    dead: Sequence[DeadPin],
    silent: Sequence[DeadPin],
    files: Sequence[str],
) -> str:
    """Compose the report.

    `count` is how many images were considered; `silent` are pins that no registry could be asked about; `files` are the
    Cross.toml files with new pins.
    """
    parts = [f"# Images refreshed\n\n{_summarise(count, changes, failures, dead)}\n"]
    parts += [_format_change(change) for change in changes]
    if failures:
        parts.append("## What failed\n\nThese keep the pin that they had, and, where nothing else is said, the lock.\n")
        parts += [f"### {_cell(one.recipe)}\n\n{_BUILT if one.is_built else ''}{_fence(one.log)}\n" for one in failures]
    for title, pins in (("Dead pins", dead), ("Pins that could not be checked", silent)):
        if pins:
            rows = [(_code(one.reference), "<br>".join(map(_cell, one.places)), _cell(one.reason)) for one in pins]
            parts.append(f"## {title}\n\n{_table(('image', 'used in', 'why'), rows)}\n")
    if files:
        parts.append("## Rewritten\n\n" + "\n".join(f"- {_code(file)}" for file in files) + "\n")
    return "\n".join(parts)


def _summarise(count: int, changes: Sequence[ImageChange], failures: Sequence[Failure], dead: Sequence[DeadPin]) -> str:
    anew = sum(one.digest[0] == one.digest[1] for one in changes)
    told = [f"{len(changes) - anew} of {count} images changed"]
    if anew:
        told.append(f"{anew} republished unchanged")
    if failures:
        told.append(f"{len(failures)} failed")
    if dead:
        told.append(f"{len(dead)} pins are dead")
    return ", ".join(told) + "."


def _format_change(change: ImageChange) -> str:
    before, after = change.digest
    rows = [("digest", f"`{before}`" if before else "-", f"`{after}`")]
    rows += [(f"size, {name}", _size(old), _size(new, old)) for name, old, new in change.sizes]
    parts = [f"## {change.recipe}\n\n`{change.target}`\n", _table(("", "before", "after"), rows) + "\n"]
    if change.packages:
        grouped: dict[tuple[str, str, str], list[str]] = {}
        for one in change.packages:
            key = (f"{one.name}:{one.architecture}", one.old or "-", one.new or "-")
            grouped.setdefault(key, []).append(one.platform)
        listed = [(_code(name), _cell(old), _cell(new)) for name, old, new in grouped]
        parts.append(_table(("package", "before", "after"), listed[:_MOST_PACKAGES]) + "\n")
        if len(listed) > _MOST_PACKAGES:
            parts.append(f"and {len(listed) - _MOST_PACKAGES} more.\n")
    parts += [f"Check on {name}: {told}.\n" for name, told in change.probes]
    if change.reference:
        parts.append(f"Published as `{change.reference}`.\n")
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _size(size: int | None, before: int | None = None) -> str:
    if size is None:
        return "-"
    change = "" if before is None else f" ({(size - before) / 1e6:+.1f} MB)"
    return f"{size / 1e6:.1f} MB{change}"


def _cell(text: str) -> str:
    """Escape untrusted text for a table cell: no cell ends, markup, links or mentions."""
    plain = _MARKUP.sub(r"\\\1", make_printable(text).replace("\n", " "))
    return _REFERENCE.sub(lambda found: found[0] + _NOTHING, plain)


def _code(text: str) -> str:
    """A name as code, also in a table. Valid names have no backticks."""
    return f"`{make_line(text).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _fence(log: str) -> str:
    """A log as it is, in a fence that it can't close."""
    shown = make_printable(log).split("\n")[-_MOST_LOG:]
    ticks = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", log)), 3)
    return "\n".join([ticks, *shown, ticks])
