"""Claims: whose is what runs make in engines, so that what a killed run leaves there is found by the next one.

Engines work in places of their own, in images, containers and temporary folders that no store knows of. So whatever
uses one, a build, a command in an image, a look at a layout, has a claim: a folder in the store, named by chance, with
a lock that is held meanwhile. Whatever the engine makes for it bears the claim's name. A claim whose lock nobody holds
is of a run that is no more: the next one with that engine clears what bears its name, then drops it. What has no claim
here is somebody else's.
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
        """The tag of what the build makes."""
        return f"localhost/imagefab-build:{self.name}"

    @property
    def seed(self) -> str:
        """The tag of what the build goes on from."""
        return f"localhost/imagefab-seed:{self.name}"

    @property
    def subject(self) -> str:
        """The tag of what is only there to be looked at."""
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
        """Where the engine's programs have their temporary files."""
        return self.folder / "tmp"


@contextlib.contextmanager
def hold_claim(store: Store, engine: str, identity: str) -> Iterator[Claim]:
    """A new claim. It stays when it is not dropped. `identity` says which of the engines of that name it is."""
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
    """The claims of runs that are no more, for as long as it takes to clear them; nobody else gets them meanwhile."""
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
    """Take the claim's lock; whether that could be done."""
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
    """Whether it is a claim on that engine. Without a record its run had not begun, and there is nothing to clear."""
    try:
        record: Any = json.loads((folder / _RECORD).read_bytes())
    except FileNotFoundError:
        store.remove_folder(folder)
        return False
    except (OSError, ValueError):
        return False
    return bool(record == wanted)
