"""The marker that makes a folder a store, so that nothing is ever removed from any other folder.

The marker is the tag by which backup programs recognise caches, with a line that names imagefab. A store from before
there were markers is recognised by its contents: only folders with a store's names, including blobs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from imagefab.files.disk import list_files, list_folders
from imagefab.files.plain import BadFileError, read_bytes

MARKER = "CACHEDIR.TAG"
_LINE = b"# This folder is a store of imagefab."
MARKER_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n" + _LINE + b" All in it can be made again.\n"
_FOLDERS = {"blobs", "checked", "claims", "derived", "indexes", "layers", "locks", "partial", "projects", "seen", "tmp",
            "wheels"}  # fmt: skip
"""The folders of stores from before there were markers. Later ones, like `trees`, are only in stores with one."""
_IGNORED = ("lost+found", f".{MARKER}.")
"""A file system's own folder, and the start of the name of a marker that is being written."""
_PREFIX = re.compile(r"[0-9a-f]{2}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def has_marker(root: Path) -> bool:
    try:
        return not (root / MARKER).is_symlink() and _LINE in read_bytes(root / MARKER).splitlines()[1]
    except (BadFileError, IndexError):
        return False


def can_be_store(root: Path) -> bool:
    """Whether a folder is a store, or is empty and may become one."""
    # List the folder first: a process that makes a store writes the marker before anything else.
    names = {path.name for path in root.iterdir() if not path.name.startswith(_IGNORED)}
    return has_marker(root) or not names or _is_old_store(root, names)


def list_blobs(root: Path) -> Iterator[Path]:
    """Yield all files with the name and place of a blob."""
    if (root / "blobs").is_symlink():
        return
    for folder in list_folders(root / "blobs" / "sha256"):
        if _PREFIX.match(folder.name):
            yield from (path for path in list_files(folder) if _DIGEST.match(path.name))


def _is_old_store(root: Path, names: set[str]) -> bool:
    """Whether it is an unmarked store. Only its blobs prove that; the other names are too common."""
    if not names <= _FOLDERS or "blobs" not in names:
        return False
    folders = {path.name for path in list_folders(root)}
    return names <= folders and _has_only_blobs(root / "blobs")


def _has_only_blobs(folder: Path) -> bool:
    if [path.name for path in folder.iterdir()] != ["sha256"]:
        return False
    prefixes = list_folders(folder / "sha256")
    whole = len(prefixes) == len([*(folder / "sha256").iterdir()])
    return bool(prefixes) and whole and all(_PREFIX.match(path.name) for path in prefixes)
