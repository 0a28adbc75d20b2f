"""What a run starts from: the environment, the clock and the user's folders.

Only this module reads them. What it reads is passed down.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.workspace import Surroundings


def read_surroundings(arguments: argparse.Namespace) -> Surroundings:
    from imagefab.flows.workspace import Surroundings

    store = arguments.store or os.environ.get("IMAGEFAB_STORE") or None
    home = _find_home()
    folder = working_folder()
    return Surroundings(
        folder=folder,
        store=None if store is None else Path(store).absolute(),
        caches=_find_folder("XDG_CACHE_HOME", home, ".cache"),
        configuration=_find_folder("XDG_CONFIG_HOME", home, ".config"),
        home=home,
        trust_from=arguments.trust_from,
        allowed=tuple(folder / path for path in getattr(arguments, "allow_file", ())),
        offline=arguments.offline,
        slowest=_read_slowest(),
        user=os.getuid() if hasattr(os, "getuid") else 0,
        environment=os.environ,
        clock=lambda: datetime.now(UTC),
    )


def working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working folder no longer exists", hint="change to another folder") from None


def _find_home() -> Path | None:
    """The user's home. There may be none, as in many containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _find_folder(variable: str, home: Path | None, name: str) -> Path | None:
    if os.environ.get(variable):
        return Path(os.environ[variable]).absolute()
    return None if home is None else home / name


def _read_slowest() -> int | None:
    """The rate below which a transfer is aborted, in bytes per second."""
    text = os.environ.get("IMAGEFAB_LOW_SPEED_LIMIT")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(
            f"IMAGEFAB_LOW_SPEED_LIMIT is {text!r}, which is not a number",
            hint="the bytes per second below which a transfer is ended; 0 for no limit",
        )
    return int(text)
