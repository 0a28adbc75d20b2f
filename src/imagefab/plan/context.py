"""The build context on disk: the folder from which engines build, and from which anyone can without imagefab.

Every file in it comes out of the store, checked; times are the epoch.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from imagefab.oci.store import OUTPUT, STORE, Store, explain_disk_errors
from imagefab.plan.model import BlobContent, BytesContent, DerivedContent, Input

Materialise = Callable[[DerivedContent], Path]
"""Gives the file of a content that is derived from packages; the sources room knows how."""


def write_context(
    folder: Path, inputs: Iterable[Input], *, epoch: int, store: Store, materialise: Materialise, link: bool
) -> None:
    """Lay out inputs below a folder. `link` allows hard links into the store: only for folders of our own."""
    with explain_disk_errors(folder, STORE if link else OUTPUT):
        for given in inputs:
            path = folder / given.path
            path.parent.mkdir(parents=True, exist_ok=True)
            match given.content:
                case BytesContent(data=data):
                    path.write_bytes(data)
                case BlobContent(sha256=sha256):
                    if link and _try_link(store.blob_path(sha256), path):
                        continue
                    shutil.copyfile(store.blob_path(sha256), path)
                case content:
                    shutil.copyfile(materialise(content), path)
            path.chmod(0o644)
            os.utime(path, (epoch, epoch))


def _try_link(source: Path, path: Path) -> bool:
    try:
        os.link(source, path)
    except OSError:
        return False
    return True
