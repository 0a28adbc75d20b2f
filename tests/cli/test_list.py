"""`imagefab list` and `imagefab show`: what they print of recipes, locks and images."""

from __future__ import annotations

from pathlib import Path

from tests.cli.broken_locks import break_lock, lock_of
from tests.cli.conftest import NAMES, RunImagefab, read_json

from imagefab.recipe.loader import list_recipes
from imagefab.recipe.project import find_shipped_project


def test_list(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("list")
    assert (result.code, result.err) == (0, "")
    head, *rows = result.out.splitlines()
    assert head.split() == [
        *("RECIPE", "TARGET", "KIND", "TOOLCHAIN", "LIBC", "NEEDS", "RUNNER"),
        *("PLATFORMS", "LOCK", "PROBES", "SIZE", "DIGEST"),
    ]
    assert [row.split()[0] for row in rows] == NAMES
    for name, row in zip(NAMES, rows, strict=True):
        assert ("musl 1." if "musl" in name else "glibc 2.") in row
        assert ("  amd64,arm64  " in row) == ("bullseye" not in name)
        assert "  locked  " in row
    assert "glibc 2.36" in rows[1]
    assert "glibc 2.31" in rows[2]


def test_list_outside_of_any_project(imagefab: RunImagefab, nowhere: Path) -> None:
    value = read_json(imagefab("list", "--json"))
    assert [row["recipe"] for row in value["recipes"]] == list(list_recipes(find_shipped_project()))
    assert not any(nowhere.iterdir())


def test_stale_and_missing_locks_are_listed(imagefab: RunImagefab, project: Path) -> None:
    break_lock(project, "stale")
    lock_of(project, "x86_64-gnu").unlink()
    rows = {row["recipe"]: row for row in read_json(imagefab("list", "--json"))["recipes"]}
    others = {"aarch64-gnu": "stale", "x86_64-gnu": "none"}
    assert {name: row["lock"] for name, row in rows.items()} == {name: others.get(name, "locked") for name in NAMES}
    assert rows["aarch64-musl"]["libc"] == "musl"
    assert rows["aarch64-musl"]["libc_floor"].startswith("1.2")
    assert rows["aarch64-gnu"]["libc_floor"] is None, "a stale lock says nothing"
    assert rows["aarch64-musl"]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_a_table_for_a_readme(imagefab: RunImagefab, project: Path) -> None:
    place = "<!-- recipes: begin -->\n<!-- recipes: end -->\n"
    readme = project / "README.md"
    readme.write_text(f"# ours\n{place}the end\n")
    into = ("list", "--markdown", "--into", "README.md")
    assert imagefab(*into, "--check").code == 4
    assert imagefab(*into).code == 0
    assert imagefab(*into, "--check").code == 0
    assert "| aarch64-gnu-bullseye | `aarch64-unknown-linux-gnu` | gcc | gcc 10." in readme.read_text()
    assert readme.read_text().endswith("<!-- recipes: end -->\nthe end\n")
    readme.write_text("no place\n")
    assert imagefab(*into).code == 2
    assert imagefab("list", "--check").code == 2


def test_show(imagefab: RunImagefab, project: Path) -> None:
    value = read_json(imagefab("show", "aarch64-gnu", "--json", "--platform", "linux/amd64"))
    assert (value["target"], value["runner"], value["digest"]) == ("aarch64-unknown-linux-gnu", "qemu-user", None)
    names = [package["name"] for layer in value["layers"] for package in layer["packages"]]
    assert {"base-files", "qemu-user", "g++-aarch64-linux-gnu"} <= set(names)
    text = imagefab("show", "aarch64-gnu", "--platform", "linux/arm64")
    assert text.err == ""
    assert "runner    native" in text.out
    assert f"libc      glibc {value['libc_floor']}\n" in text.out
