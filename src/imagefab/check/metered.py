"""A file that may be read only so much. A small file can ask its reader for billions of entries, one read each."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

from imagefab.check.headers import UnreadableError

MOST_READS = 2_000_000
_MOST_BYTES = 1 << 30


def meter(file: BinaryIO) -> BinaryIO:
    """Return the same file, for readers that may be made to read without end."""
    return cast("BinaryIO", _MeteredFile(file))


class _MeteredFile(io.RawIOBase):
    """Raises UnreadableError when too much is asked of it. pyelftools reads for each entry of anything."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._reads, self._bytes = MOST_READS, _MOST_BYTES

    def read(self, size: int = -1, /) -> bytes:
        self._reads -= 1
        if size < 0 or size > self._bytes or self._reads < 0:
            raise UnreadableError("it has more tables and names than any program")
        found = self._file.read(size)
        self._bytes -= len(found)
        return found

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()
