"""Stores for tests that need one of their own, made of hard links to what another one has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from imagefab.lock.file import read_lock
from imagefab.lock.staleness import platform_pins
from tests.e2e.support.command_line import CommandLine


def find_blob(store: Path, digest: str) -> Path:
    hexadecimal = digest.removeprefix("sha256:")
    return store / "blobs/sha256" / hexadecimal[:2] / hexadecimal


def list_packages(line: CommandLine, *recipes: str) -> Iterator[Path]:
    """The blobs that the locks of some recipes name, as far as the store has them."""
    for recipe in recipes:
        lock = read_lock(line.folder / "images" / recipe / "imagefab.lock", recipe=recipe)
        pins = [pin for one in lock.platforms for pin in platform_pins(lock, one.platform)]
        digests = [*(pin.sha256 for pin in pins), *(source.sha256 for source in lock.sources)]
        for digest in dict.fromkeys(digests):
            blob = find_blob(line.store, digest.hex)
            if blob.exists():
                yield blob


def copy_packages(line: CommandLine, store: Path, *recipes: str) -> Path:
    """A store with the packages of some recipes, and nothing that was built or derived."""
    for blob in list_packages(line, *recipes):
        target = store / blob.relative_to(line.store)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(blob, target)
    return store


def copy_store(store: Path, target: Path) -> Path:
    """Another store with the same blobs, which nobody else writes to. Locks are its own: a link is the same lock."""
    target.mkdir(parents=True)
    for part in store.iterdir():
        if part.name not in ("locks", "tmp", "trees"):
            subprocess.run(["cp", "--archive", "--link", part, target], check=True)
    return target


def unshare_file(path: Path) -> Path:
    """A file of this store's own, where it was a link to another's."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path
