"""A Rust toolchain on this machine, found or given, to be mounted into images as cross does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from imagefab.errors import UsageError
from imagefab.files.plain import is_there
from imagefab.platforms import HostPlatform
from imagefab.recipe.target import TARGETS

_PATIENCE = 30


def find_rust(given: Path | None) -> Path | None:
    """Return the given sysroot, else the one `rustc` uses, if it works when mounted elsewhere."""
    if given is not None:
        if not (is_there(given / "bin" / "cargo") and is_there(given / "bin" / "rustc")):
            raise UsageError(
                f"{given} is not a Rust toolchain: bin/cargo or bin/rustc is missing",
                hint="`rustc --print sysroot` names a folder that is one",
            )
        return given.resolve()
    if shutil.which("rustc") is None:
        return None
    try:
        said = subprocess.run(
            ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True, timeout=_PATIENCE
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    sysroot = Path(said)
    # A distribution's compiler in /usr needs libraries that are not in its sysroot.
    is_whole = is_there(sysroot / "bin" / "cargo") and sysroot != Path("/usr")
    return sysroot.resolve() if is_whole else None


def lacks_std(sysroot: Path, triple: str, platform: HostPlatform) -> str | None:
    """Return the triple whose standard library is missing, if any. A bare-metal target needs only core."""
    is_bare = triple in TARGETS and TARGETS[triple].os == "none"
    for needed, crate in ((platform.rust_host, "std"), (triple, "core" if is_bare else "std")):
        if not list((sysroot / "lib" / "rustlib" / needed / "lib").glob(f"lib{crate}-*")):
            return needed
    return None
