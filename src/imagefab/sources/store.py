"""The part of the store that sources need: a place for verified files, and one for unfinished work.

The store itself belongs to the oci room; it satisfies this protocol.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from imagefab.digest import Digest


def digest_file(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


class BlobStore(Protocol):
    def blob_path(self, digest: Digest) -> Path:
        """The final place of a file, whether it is there or not."""

    def has_blob(self, digest: Digest) -> bool: ...

    def check_blob(self, digest: Digest) -> bool:
        """Whether the file that is there still has that digest."""

    def adopt_blob(self, path: Path, digest: Digest) -> Path:
        """Move an already verified file into its final place, atomically."""

    def scratch_file(self, suffix: str = ...) -> Path:
        """A new temporary file on the same file system as the final places."""

    def folder(self, name: str) -> Path:
        """A folder of the store for one purpose, made on demand."""
