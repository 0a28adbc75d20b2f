"""Claims mark what a run makes in an engine, so that the next run finds what a killed one left there.

Engines keep images, containers and temporary folders in places that the store doesn't know about. So every use of an
engine (a build, a command in an image, a check of a layout) holds a claim: a folder in the store with a random name and
a lock. Whatever the engine makes for it carries the claim's name. A claim whose lock is free belongs to a dead run: the
next run with that engine clears what carries its name, then drops it. Anything without a claim here is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagefab.files.disk import STORE, explain_disk_errors, list_folders, write_atomic
from imagefab.store.store import Store

_FOLDER = "claims"
_LOCK, _RECORD = "lock", "engine.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    name: str
    folder: Path

    @property
    def image(self) -> str:
        """The tag of the image that the build makes."""
        return f"localhost/imagefab-build:{self.name}"

    @property
    def seed(self) -> str:
        """The tag of the image that the build starts from."""
        return f"localhost/imagefab-seed:{self.name}"

    @property
    def subject(self) -> str:
        """The tag of an image that is only loaded to be inspected."""
        return f"localhost/imagefab-check:{self.name}"

    @property
    def tags(self) -> tuple[str, ...]:
        return self.image, self.seed, self.subject

    @property
    def container(self) -> str:
        """The name of the container in which a command runs."""
        return f"imagefab-run-{self.name}"

    @property
    def scratch(self) -> Path:
        """Where the engine's programs put their temporary files."""
        return self.folder / "tmp"


@contextlib.contextmanager
def hold_claim(store: Store, engine: str, identity: str) -> Iterator[Claim]:
    """Hold a new claim, which stays until it is dropped. `identity` tells engines of the same name apart."""
    with store.lock(_FOLDER), explain_disk_errors(store.root, STORE):
        folder = Path(tempfile.mkdtemp(prefix="", dir=store.folder(_FOLDER)))
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        claim = Claim(name=folder.name, folder=folder)
        with explain_disk_errors(folder, STORE):
            claim.scratch.mkdir()
        write_atomic(folder / _RECORD, json.dumps(_describe(engine, identity)).encode(), remedy=STORE)
        yield claim
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def take_abandoned(store: Store, engine: str, identity: str) -> Iterator[list[Claim]]:
    """Yield the claims of dead runs, and hold their locks so that no other run takes them meanwhile."""
    with contextlib.ExitStack() as held:
        found = []
        with store.lock(_FOLDER):
            for folder in list_folders(store.folder(_FOLDER)):
                if _take(folder, held) and _is_of(folder, store, _describe(engine, identity)):
                    found.append(Claim(name=folder.name, folder=folder))
        yield found


def drop_claim(store: Store, claim: Claim) -> None:
    store.remove_folder(claim.folder)


def _describe(engine: str, identity: str) -> dict[str, str]:
    return {"engine": engine, "identity": identity}


def _take(folder: Path, held: contextlib.ExitStack) -> bool:
    """Try to take the claim's lock; returns whether it worked."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_of(folder: Path, store: Store, wanted: dict[str, str]) -> bool:
    """Whether the claim is on that engine. Without a record, its run never began and there is nothing to clear."""
    try:
        record: Any = json.loads((folder / _RECORD).read_bytes())
    except FileNotFoundError:
        store.remove_folder(folder)
        return False
    except (OSError, ValueError):
        return False
    return bool(record == wanted)
