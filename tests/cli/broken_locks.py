"""Ways to break the lock of a recipe."""

from __future__ import annotations

from pathlib import Path

from imagefab.lock.model import FORMAT


def lock_of(project: Path, name: str = "aarch64-gnu") -> Path:
    return project / "images" / name / "imagefab.lock"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def break_lock(project: Path, how: str, name: str = "aarch64-gnu") -> None:
    lock = lock_of(project, name)
    match how:
        case "missing":
            lock.unlink()
        case "stale":
            edit(project / "recipes" / f"{name}.toml", "kind =", 'packages.host = ["jq"]\nkind =')
        case "hand-edited":
            edit(lock, " trixie main/", " trixie other/")
        case "newer":
            edit(lock, f"format = {FORMAT}", f"format = {FORMAT + 1}")
        case "cut off":
            lock.write_text(lock.read_text()[:500])
        case "empty":
            lock.write_text("")
        case "merged":
            lock.write_text("<<<<<<< HEAD\n" + lock.read_text())


BROKEN = ["missing", "stale", "hand-edited", "newer", "cut off", "empty", "merged"]
