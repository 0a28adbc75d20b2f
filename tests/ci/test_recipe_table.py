"""The README's table of recipes."""

from __future__ import annotations

from imagefab.ci.recipe_table import BEGIN, END, TableRow, compose_table, replace_table
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
    from dataclasses import replace

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


def test_its_place() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert replace_table(text, "new \\1\n") == f"before\n{BEGIN}\nnew \\1\n{END}\nafter\n"
    assert replace_table("no place", "new\n") is None
