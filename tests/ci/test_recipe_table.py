"""The README's table of recipes."""

from __future__ import annotations

from dataclasses import replace

from imagefab.ci.choice_table import compose_choices
from imagefab.ci.recipe_table import CHOICES, RECIPES, TableRow, compose_table, mark_place, replace_tables
from imagefab.digest import Digest
from imagefab.records.checked import Checked

CHECKED = Checked(
    plan=Digest.of_bytes(b"plan"),
    manifest=Digest.of_bytes(b""),
    size=311_400_000,
    passed=("c", "c++"),
    failed=(),
    skipped=(),
    facts={"gcc": "14.2.0", "glibc-floor": "2.34"},
)
ENTRY = TableRow(
    recipe="one", target="aarch64-unknown-linux-gnu", kind="gcc", runner="qemu-user", libc="glibc 2.41", checked=CHECKED
)


def rows(*entries: TableRow) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in compose_table(entries).splitlines()]


def test_rows() -> None:
    head, rule, good, partly, bad, unknown = rows(
        ENTRY,
        replace(ENTRY, checked=replace(CHECKED, skipped=("framework",), facts={"clang": "19.1.7"})),
        replace(ENTRY, checked=replace(CHECKED, failed=("c++",), facts={"zig": "0.17.0", "clang": "22.1"})),
        replace(ENTRY, checked=None),
    )
    assert len(head) == len(rule) == len(unknown)
    assert good == ["one", "`aarch64-unknown-linux-gnu`", "gcc", "gcc 14.2.0", "glibc 2.41", "glibc 2.34", "qemu-user",
                    "311 MB", "2 pass"]  # fmt: skip
    assert partly[3:6] == ["clang 19.1.7", "glibc 2.41", "-"]
    assert partly[-1] == "2 pass, not tried: framework"
    assert (bad[3], bad[-1]) == ("zig 0.17.0", "fails: c++")
    assert unknown[-1] == "not checked"


def test_their_places() -> None:
    """A file may have one of the tables, or both."""
    tables = {RECIPES: "new \\1\n", CHOICES: "choices\n"}
    (begin, end), (other, its_end) = mark_place(RECIPES), mark_place(CHOICES)
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    new = f"before\n{begin}\nnew \\1\n{end}\nafter\n"
    assert replace_tables(text, tables) == new
    assert replace_tables(f"{text}{other}\n{its_end}\n", tables) == f"{new}{other}\nchoices\n{its_end}\n"
    assert replace_tables("no place", tables) is None


def test_choices() -> None:
    """By processor, the oldest glibc first; a recipe that was not checked has the glibc of its lock."""
    older = replace(ENTRY, recipe="older", checked=replace(CHECKED, facts={"glibc-floor": "2.17"}))
    musl = replace(ENTRY, recipe="static", target="aarch64-unknown-linux-musl", libc="musl")
    unchecked = replace(ENTRY, recipe="new", target="riscv64gc-unknown-linux-gnu", checked=None)
    windows = replace(ENTRY, recipe="win", target="x86_64-pc-windows-gnu", runner="wine")
    linux, others = compose_choices([ENTRY, older, musl, unchecked, windows]).split("\n\n")
    assert linux.splitlines()[2:] == [
        "| aarch64 | `static` | `older` (2.17), `one` (2.34) | qemu-user |",
        "| riscv64gc | - | `new` (2.41) | qemu-user |",
    ]
    assert others.splitlines()[2:] == ["| Windows | x86_64 | `win` | wine |"]
