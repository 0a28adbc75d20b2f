"""A project in Git: what changed since a revision, committed or not, and files at a revision.

A project may be untrusted, and Git trusts what it finds: any files that look like a repository count as one, with
configuration that can name programs to run. So Git is told which repository to use, the nearest parent's `.git`, which
no commit can contain. That repository's own configuration is the responsibility of whoever made the checkout.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagefab.errors import UsageError

_NO_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


def list_changed(folder: Path, revision: str) -> frozenset[Path]:
    """Files in a folder that differ from the merge base with the revision, as absolute paths, also if deleted."""
    _find_commit(folder, revision)
    changed = _ask(
        folder,
        "diff",
        "--merge-base",
        "--no-renames",
        "--name-only",
        "--no-ext-diff",
        "--no-textconv",
        "--relative",
        "-z",
        revision,
        "--",
    )
    added = _ask(folder, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(folder / os.fsdecode(name) for name in (changed + added).split(b"\0") if name)


def read_at(folder: Path, revision: str, names: Sequence[str], *, below: str = "", most: int) -> dict[str, bytes]:
    """Files with these names at a revision, in a folder or anywhere `below` it, by relative path.

    Links don't count as files. Raises UsageError if there is no such revision, or a file has more than `most` bytes.
    """
    commit = _find_commit(folder, revision)
    listed = _ask(folder, "ls-tree", "-r", "-z", "--long", commit, "--", *([f"{below}/"] if below else names))
    found = {}
    for line in filter(None, listed.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _, blob, size = about.decode().split()
        if mode not in ("100644", "100755") or os.fsdecode(name).rpartition("/")[2] not in names:
            continue
        if int(size) > most:
            raise UsageError(f"{os.fsdecode(name)!r} of {revision} is larger than {most >> 20} MiB")
        found[os.fsdecode(name)] = _ask(folder, "cat-file", "blob", blob)
    return found


def list_versions(folder: Path, file: Path, *, most: int, largest: int) -> Iterator[bytes]:
    """Yield the last versions of a file, newest first, in the history of what is checked out. Deletions don't count."""
    name = file.relative_to(folder).as_posix()
    found = _ask(folder, "log", f"--max-count={most}", "--format=%H", "--diff-filter=AM", "--no-renames", "--", name)
    for commit in found.decode().split():
        yield from read_at(folder, commit, [file.name], below=name.rpartition("/")[0], most=largest).values()


def has_tracked(folder: Path, below: Path) -> bool:
    """Whether any file below a path is committed; False if there is no repository."""
    try:
        return bool(_ask(folder, "ls-files", "-z", "--", str(below)))
    except UsageError:
        return False


def _name_repository(folder: Path) -> list[str]:
    for top in (folder, *folder.parents):
        if os.path.lexists(top / ".git"):
            return [f"--git-dir={top / '.git'}", f"--work-tree={top}"]
    raise UsageError(f"{folder} is not in a git repository", hint="revisions are git's")


def _find_commit(folder: Path, revision: str) -> str:
    name = f"{revision}^{{commit}}"
    return (
        _ask(folder, "rev-parse", "--quiet", "--verify", "--end-of-options", name, revision=revision).decode().strip()
    )


def _ask(folder: Path, *arguments: str, revision: str | None = None) -> bytes:
    command = ["git", *_NO_PROGRAMS, *_name_repository(folder), *arguments]
    try:
        result = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("git is not installed, which revisions need") from None
    if result.returncode == 0:
        return result.stdout
    told = result.stderr.decode(errors="replace").strip()
    if revision is not None and not told:
        raise UsageError(
            f"there is no git revision {revision!r} here",
            hint="in a shallow clone, `git fetch --deepen` brings more revisions",
        )
    raise UsageError(f"git {arguments[0]}: {told or f'exit code {result.returncode}'}")
