"""What changed in a project since a revision, as git has it: committed, or not yet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from imagefab.errors import UsageError


def list_changed(folder: Path, revision: str) -> frozenset[Path]:
    """The files below a folder that differ from where this branch left the revision; absolute, also those deleted."""
    _ask(folder, "rev-parse", "--quiet", "--verify", "--end-of-options", f"{revision}^{{commit}}", revision=revision)
    changed = _ask(folder, "diff", "--merge-base", "--no-renames", "--name-only", "--relative", "-z", revision, "--")
    added = _ask(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(folder / os.fsdecode(name) for name in (changed + added).split(b"\0") if name)


def _ask(folder: Path, *arguments: str, revision: str | None = None) -> bytes:
    try:
        result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("what changed is for git to say, and it is not installed here") from None
    if result.returncode == 0:
        return result.stdout
    told = result.stderr.decode(errors="replace").strip()
    if revision is not None and not told:
        raise UsageError(
            f"git knows no revision {revision!r} here",
            hint="a shallow clone lacks it; `git fetch` with more depth has it",
        )
    raise UsageError(f"git {arguments[0]}: {told or f'exit code {result.returncode}'}")
