"""Remember that an engine works here, so that not every command has to try it first.

Only success is remembered, and only until a boot, or until something changes that the engine depends on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from imagefab import __version__
from imagefab.digest import Digest
from imagefab.engines.boot import read_boot
from imagefab.errors import ImagefabError
from imagefab.store.store import Store

RECORDS = "engines"


def remember(store: Store, engine: str, depends_on: Sequence[object]) -> None:
    with contextlib.suppress(ImagefabError, OSError):
        if store.is_there:
            store.write_record(RECORDS, _make_key(engine, depends_on), True)


def is_known_to_work(store: Store, engine: str, depends_on: Sequence[object]) -> bool:
    return store.read_record(RECORDS, _make_key(engine, depends_on)) is True


def _make_key(engine: str, depends_on: Sequence[object]) -> Digest:
    return Digest.of_json([engine, __version__, read_boot(), os.geteuid(), *depends_on])
