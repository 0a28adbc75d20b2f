"""The store: a content-addressed folder that all recipes and all runs share.

    blobs/sha256/<2 hex>/<hex>   every file, named by its hash, read-only
    checked/<hex>                what stat returned for a blob when its hash was last verified
    contents/<hex>.json          what is in a layer → that layer
    layers/<hex>.json            layer key → the layer that was built for it
    trees/<hex>/root             a layer that stays unpacked
    derived/<hex>.json           what was made from a package, like a decoded copy → that blob
    indexes/  wheels/            the archive's signed indexes, and answers of the Python package index
    seen/  projects/             which locks use what, for garbage collection
    locks/  partial/  tmp/  …    flocks, downloads that go on, and scratch space that the next run clears after a crash
    CACHEDIR.TAG                 the marker: a folder without it is not a store, and nothing in it is touched

Nothing appears under its final name before it is complete: files are written in tmp/ and renamed. A blob's hash is
verified again whenever stat returns something else than at the last check, so that a damaged entry is found without
reading hundreds of megabytes on every run. All coordination between processes uses flock, which the kernel releases
when a process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from imagefab.digest import Digest
from imagefab.files.disk import (
    STORE,
    StoreError,
    digest_file,
    explain_disk_errors,
    make_folder,
    refuse_way_out,
    write_atomic,
)
from imagefab.files.locks import lock_file, try_lock
from imagefab.files.remove import remove_tree
from imagefab.store.marker import MARKER, MARKER_TEXT, can_be_store, has_marker


class Store:
    def __init__(self, root: Path, *, remove: Callable[[Path], None] | None = None) -> None:
        """`remove` removes a scratch folder, which may have files that need more than ordinary permissions."""
        self.root = root
        self.remove_folder = remove or _remove_folder
        self._scratch: Path | None = None
        self._scratch_lock: int | None = None
        self._scratch_owner = 0
        self._user_lock: int | None = None
        self._user_owner = 0
        self._making_scratch = threading.Lock()
        self._is_marked = False

    # -- folders ------------------------------------------------------------------------------------------------

    def mark(self) -> None:
        """Ensure that this is a store before anything in it is written or removed; StoreError if it is not."""
        if self._is_marked:
            return
        make_folder(self.root, STORE)
        with explain_disk_errors(self.root, STORE):
            if not can_be_store(self.root):
                raise StoreError(
                    f"{self.root} is not an imagefab store, and not empty",
                    hint="use a new or empty folder: --store DIR, IMAGEFAB_STORE or `[store] path`",
                )
            if not has_marker(self.root):
                write_atomic(self.root / MARKER, MARKER_TEXT, remedy=STORE)
        self._is_marked = True

    @property
    def is_there(self) -> bool:
        """Whether the folder is a store already; nothing makes it one."""
        try:
            return has_marker(self.root)
        except OSError:
            return False

    def folder(self, name: str) -> Path:
        """Return a folder of the store, creating it if needed."""
        path = self._own(self.root / name)
        refuse_way_out(path / "file", self.root, STORE)
        make_folder(path, STORE)
        return path

    def _own(self, path: Path) -> Path:
        """Check that a path may be written or removed: it is in a store, and no link leads out of it."""
        self.mark()
        refuse_way_out(path, self.root, STORE)
        return path

    def scratch_folder(self) -> Path:
        """This process's own scratch space. It doesn't outlive the process: the next run clears what is not locked."""
        with self._making_scratch:
            if self._scratch is None or self._scratch_owner != os.getpid():
                self._hold()
                self._scratch, self._scratch_lock = self._make_scratch(self.folder("tmp"))
                self._scratch_owner = os.getpid()
            return self._scratch

    def hold(self) -> None:
        """Keep other processes from exclusive access until the store is closed."""
        with self._making_scratch:
            self._hold()

    def _hold(self) -> None:
        if self._user_lock is None or self._user_owner != os.getpid():
            self._user_lock = self._open_lock("store")
            self._user_owner = os.getpid()
            lock_file(self._user_lock, shared=True)

    def _make_scratch(self, parent: Path) -> tuple[Path, int]:
        # One process at a time: a folder that is not locked yet would look abandoned.
        with self.lock("scratch"), explain_disk_errors(parent, STORE):
            _clear_abandoned(parent, self.remove_folder)
            path = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
            descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            lock_file(descriptor)
            return path, descriptor

    def scratch_file(self, suffix: str = "") -> Path:
        """A new empty file in the scratch space."""
        with explain_disk_errors(self.root, STORE):
            descriptor, name = tempfile.mkstemp(suffix=suffix, dir=self.scratch_folder())
        os.close(descriptor)
        return Path(name)

    def close(self) -> None:
        if self._scratch is not None and self._scratch_owner == os.getpid():
            self.remove_folder(self._scratch)
            assert self._scratch_lock is not None
            os.close(self._scratch_lock)
        if self._user_lock is not None and self._user_owner == os.getpid():
            os.close(self._user_lock)
        self._scratch = self._scratch_lock = self._user_lock = None

    @contextlib.contextmanager
    def lock(self, name: str, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold a lock that other processes and threads wait for. `waiting` is called if it is taken."""
        descriptor = self._open_lock(name)
        try:
            try:
                try_lock(descriptor)
            except BlockingIOError:
                if waiting is not None:
                    waiting()
                lock_file(descriptor)
            yield
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Have exclusive access to the store: no run that makes something is using it, and none can start."""
        descriptor = self._open_lock("store")
        try:
            try:
                try_lock(descriptor)
            except OSError:
                raise StoreError(
                    f"the store {self.root} is in use", hint="try again when the other command is done"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self, name: str) -> int:
        path = self.folder("locks") / name
        with explain_disk_errors(path, STORE):
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    # -- blobs --------------------------------------------------------------------------------------------------

    def blob_path(self, digest: Digest) -> Path:
        return self.root / "blobs" / "sha256" / digest.hex[:2] / digest.hex

    def has_blob(self, digest: Digest) -> bool:
        try:
            return self.blob_path(digest).is_file()
        except OSError:
            return False

    def open_blob(self, digest: Digest) -> IO[bytes]:
        return self.blob_path(digest).open("rb")

    def read_blob(self, digest: Digest) -> bytes:
        return self.blob_path(digest).read_bytes()

    def adopt_blob(self, path: Path, digest: Digest) -> Path:
        """Move a file whose hash the caller has verified into place, replacing any existing entry."""
        final = self._own(self.blob_path(digest))
        with explain_disk_errors(final, STORE):
            final.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o444)
            path.replace(final)
            self._remember(digest, final)
        return final

    def write_blob(self, data: bytes) -> Digest:
        digest = Digest.of_bytes(data)
        if not self.check_blob(digest):
            path = self.scratch_file()
            with explain_disk_errors(path, STORE):
                path.write_bytes(data)
            self.adopt_blob(path, digest)
        return digest

    def check_blob(self, digest: Digest) -> bool:
        """Whether the blob is there and has the right hash. It is only read if stat says that it was touched."""
        path = self.blob_path(digest)
        try:
            identity = _stat_identity(path)
        except OSError:
            return False
        try:
            remembered = (self.root / "checked" / digest.hex).read_bytes()
        except OSError:
            remembered = b""
        if remembered == identity.encode():
            return True
        if digest_file(path) != digest:
            return False
        with contextlib.suppress(OSError, StoreError):
            self._remember(digest, path)
        return True

    def knows_blob(self, digest: Digest) -> bool:
        """Whether the blob is there and has not been touched since it was last checked. Writes nothing."""
        try:
            remembered = (self.root / "checked" / digest.hex).read_bytes()
            return remembered == _stat_identity(self.blob_path(digest)).encode()
        except OSError:
            return False

    def drop_blob(self, digest: Digest) -> None:
        with explain_disk_errors(self.root, STORE):
            self._own(self.blob_path(digest)).unlink(missing_ok=True)
            self._own(self.root / "checked" / digest.hex).unlink(missing_ok=True)

    def _remember(self, digest: Digest, path: Path) -> None:
        write_atomic(self.folder("checked") / digest.hex, _stat_identity(path).encode(), remedy=STORE)

    # -- records ------------------------------------------------------------------------------------------------

    def read_record(self, kind: str, key: Digest) -> Any | None:
        """Return the small JSON value stored under a key; None if there is none or it can't be read."""
        try:
            return json.loads((self.root / kind / f"{key.hex}.json").read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    def write_record(self, kind: str, key: Digest, value: Any) -> None:
        data = json.dumps(value, indent=1, sort_keys=True).encode()
        write_atomic(self.folder(kind) / f"{key.hex}.json", data, remedy=STORE)

    def drop_record(self, kind: str, key: Digest) -> None:
        with explain_disk_errors(self.root, STORE):
            self._own(self.root / kind / f"{key.hex}.json").unlink(missing_ok=True)


def _remove_folder(path: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(str(path))


def _clear_abandoned(parent: Path, remove: Callable[[Path], None]) -> None:
    """Remove the scratch folders of dead runs: those whose lock is free."""
    for path in parent.glob("run-*"):
        if path.is_symlink():
            continue
        try:
            descriptor = os.open(path / "lock", os.O_RDWR)
        except FileNotFoundError:
            # Its run died before it took a lock.
            remove(path)
            continue
        except OSError:
            continue
        try:
            try_lock(descriptor)
        except OSError:
            continue
        else:
            remove(path)
        finally:
            os.close(descriptor)


def _stat_identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
