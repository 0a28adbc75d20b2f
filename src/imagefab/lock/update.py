"""Update one recipe's imagefab.lock: read it, make it again if necessary, and write it if it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.debian.archive import ArchiveReader
from imagefab.errors import StaleError
from imagefab.lock.file import find_lock, write_lock
from imagefab.lock.make import make_lock
from imagefab.lock.model import Lock
from imagefab.lock.staleness import PackageChange, compare_locks
from imagefab.lock.text import NewerLockError
from imagefab.toolchains.blueprint import Blueprint


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUpdate:
    recipe: str
    changed: bool
    first: bool
    """There was no lock before, or no valid one."""
    packages: tuple[PackageChange, ...]


def update_lock(
    path: Path,
    shown: str,
    blueprints: Sequence[Blueprint],
    reader: ArchiveReader,
    *,
    upgrade: bool,
    allow_downgrade: bool = False,
) -> LockUpdate:
    old = _find_old(path, shown, reader, upgrade=upgrade)
    new = make_lock(blueprints, reader, old=old, upgrade=upgrade, allow_downgrade=allow_downgrade)
    return LockUpdate(
        recipe=new.recipe,
        changed=write_lock(path, new),
        first=old is None,
        packages=compare_locks(old, new),
    )


def _find_old(path: Path, shown: str, reader: ArchiveReader, *, upgrade: bool) -> Lock | None:
    """Read the existing lock. An invalid one is made again, with a warning; a newer one only for an upgrade."""
    try:
        return find_lock(path, shown=shown)
    except NewerLockError:
        if not upgrade:
            raise
    except StaleError as error:
        reader.fetcher.progress.warn(f"{error.problem}; its pins are not kept")
    return None
