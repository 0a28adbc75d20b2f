"""The table by which people choose a recipe: where programs are to run, and the recipes for that."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from imagefab.ci.recipe_table import TableRow, compose_rows
from imagefab.recipe.target import TARGETS, Target
from imagefab.records.checked import find_floor

_HEAD_OF_LINUX = ("processor", "musl, for any Linux", "glibc, and the version it needs", "tests run with")
_HEAD_OF_OTHERS = ("system", "processor", "recipes", "tests run with")
_SYSTEMS = {
    "windows": "Windows", "darwin": "macOS", "android": "Android", "freebsd": "FreeBSD", "netbsd": "NetBSD",
    "openbsd": "OpenBSD", "wasi": "WASI", "wasip2": "WASI", "emscripten": "browsers and Node",
    "unknown": "a host of your own", "uefi": "UEFI firmware", "none": "no system", "avr": "no system",
    "bpf": "the Linux kernel",
}  # fmt: skip


def compose_choices(entries: Sequence[TableRow]) -> str:
    linux = [entry for entry in entries if TARGETS[entry.target].os == "linux"]
    others = [entry for entry in entries if TARGETS[entry.target].os != "linux"]
    return "\n".join(
        [
            compose_rows([_HEAD_OF_LINUX, *map(_compose_linux, _group(linux, _name_processor))]),
            compose_rows([_HEAD_OF_OTHERS, *sorted(map(_compose_other, _group(others, _name_place)))]),
        ]
    )


def _group(entries: Iterable[TableRow], name: Callable[[Target], Hashable]) -> list[list[TableRow]]:
    groups: dict[Hashable, list[TableRow]] = {}
    for entry in entries:
        groups.setdefault(name(TARGETS[entry.target]), []).append(entry)
    return list(groups.values())


def _compose_linux(entries: Sequence[TableRow]) -> tuple[str, ...]:
    static = [entry for entry in entries if TARGETS[entry.target].is_musl]
    dynamic = sorted((entry for entry in entries if entry not in static), key=_order)
    return (
        _name_processor(TARGETS[entries[0].target]),
        _join(f"`{entry.recipe}`" for entry in static),
        _join(f"`{entry.recipe}` ({_find_floor(entry) or 'as you ask'})" for entry in dynamic),
        _join(dict.fromkeys(entry.runner for entry in entries)),
    )


def _compose_other(entries: Sequence[TableRow]) -> tuple[str, ...]:
    target = TARGETS[entries[0].target]
    return (
        _SYSTEMS[target.os],
        _name_processor(target),
        _join(f"`{entry.recipe}`" for entry in entries),
        _join(dict.fromkeys(entry.runner for entry in entries)),
    )


def _name_processor(target: Target) -> str:
    """The triple's first part, and whether 32-bit Arm has floating point hardware under Linux."""
    if target.os == "linux" and target.stem.startswith(("arm", "thumb")):
        return f"{target.stem}, {'hard' if target.is_hard_float else 'soft'} float"
    return f"{target.stem}, x32" if target.is_x32 else target.stem


def _name_place(target: Target) -> tuple[str, str]:
    return _SYSTEMS[target.os], _name_processor(target)


def _find_floor(entry: TableRow) -> str:
    floor = find_floor(entry.checked) if entry.checked is not None else entry.libc
    return floor.removeprefix("glibc").strip(" -")


def _order(entry: TableRow) -> tuple[int, ...]:
    return tuple(int(part) for part in _find_floor(entry).split(".") if part.isdecimal())


def _join(parts: Iterable[str]) -> str:
    return ", ".join(parts) or "-"
