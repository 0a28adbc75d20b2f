"""Remember that the sandbox works here, so that not every command has to try it first.

Only what is well is remembered, and only until something changes that it depends on: a boot, imagefab, bubblewrap, the
user, the namespaces that this process is in, or a kernel setting.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from imagefab import __version__
from imagefab.digest import Digest
from imagefab.engines.inspect import SWITCHES
from imagefab.engines.sandbox.bubblewrap import find_isolator
from imagefab.engines.sandbox.trees import read_boot
from imagefab.errors import ImagefabError
from imagefab.store.marker import has_marker
from imagefab.store.store import Store

RECORDS = "sandbox"


def remember(store: Store) -> None:
    with contextlib.suppress(ImagefabError, OSError):
        if has_marker(store.root):
            store.write_record(RECORDS, _describe(), True)


def is_known_to_work(store: Store) -> bool:
    return store.read_record(RECORDS, _describe()) is True


def _describe() -> Digest:
    isolator = find_isolator()
    program = None if isolator is None else [isolator.program, os.stat(isolator.program).st_mtime_ns]
    namespaces = [os.readlink(f"/proc/self/ns/{name}") for name in ("user", "mnt", "pid", "net")]
    settings = [_read(Path("/proc/sys") / name) for name, _, _ in SWITCHES]
    return Digest.of_json([__version__, read_boot(), os.geteuid(), program, namespaces, settings])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
