"""The build context on disk: the folder that engines build from, and that anyone can build from without imagefab.

Every file in it comes verified from the store. Times are the epoch, with a fraction of a second derived from the
content: BuildKit assumes that a file is unchanged since the last build if its path, size and time are.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from imagefab.digest import Digest
from imagefab.files.disk import OUTPUT, STORE, explain_disk_errors
from imagefab.plan.model import BlobContent, BytesContent, Content, DerivedContent, Input
from imagefab.store.store import Store

Materialise = Callable[[DerivedContent], Path]
"""Returns the file of a content that is derived from packages."""


def write_context(
    folder: Path, inputs: Iterable[Input], *, epoch: int, store: Store, materialise: Materialise, link: bool
) -> None:
    """Lay out inputs in a folder. `link` allows hard links into the store: only for imagefab's own folders."""
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
            os.utime(path, ns=(stamp := _make_time(given.content, epoch), stamp))


def _make_time(content: Content, epoch: int) -> int:
    """The file time for a content, in nanoseconds."""
    told = content.data if isinstance(content, BytesContent) else repr(content).encode()
    return epoch * 1_000_000_000 + int(Digest.of_bytes(told).hex[:12], 16) % 1_000_000_000


def _try_link(source: Path, path: Path) -> bool:
    try:
        os.link(source, path)
    except OSError:
        return False
    return True
