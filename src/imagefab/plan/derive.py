"""Files derived from packages: the first root file system, single files, parts of tarballs.

They depend only on the packages' hashes, so they are made once, and kept in the store under what they were made from.
"""

from __future__ import annotations

import re
from pathlib import Path

from imagefab.debian.ar import DebError
from imagefab.debian.deb import extract_member
from imagefab.digest import Digest
from imagefab.plan.model import DerivedContent, ExtractContent, RootfsContent, TarballContent
from imagefab.plan.rootfs import write_rootfs
from imagefab.plan.tarball import take_tarball
from imagefab.store.store import Store

_RECORDS = "derived"
_FORM = 2


class Deriver:
    """Provides derived files, making those that the store does not have."""

    def __init__(self, store: Store, epoch: int) -> None:
        self._store = store
        self._epoch = epoch

    def key(self, content: DerivedContent) -> Digest:
        match content:
            case ExtractContent(package=package, member=member):
                return Digest.of_json(["extract", _FORM, str(package.sha256), member])
            case TarballContent(package=package, member=member, keep=keep, drop=drop):
                return Digest.of_json(["tarball", _FORM, str(package.sha256), member, list(keep), list(drop)])
            case RootfsContent(packages=packages, filters=filters):
                digests = [str(p.sha256) for p in packages]
                return Digest.of_json(["rootfs", _FORM, self._epoch, digests, list(filters)])

    def find(self, content: DerivedContent) -> Digest | None:
        """Return the file's digest, if the store has it undamaged."""
        known = self._store.read_record(_RECORDS, self.key(content))
        try:
            digest = Digest.parse(known) if isinstance(known, str) else None
        except ValueError:
            digest = None
        return digest if digest is not None and self._store.check_blob(digest) else None

    def materialise(self, content: DerivedContent) -> Path:
        known = self.find(content)
        if known is not None:
            return self._store.blob_path(known)
        try:
            data = self._derive(content)
        except DebError as error:
            # In the store, a package's name is its hash.
            packages = content.packages if isinstance(content, RootfsContent) else (content.package,)
            names = {package.sha256.hex: package.file_name for package in packages}
            problem = re.sub(r"\b[0-9a-f]{64}\b", lambda found: names.get(found[0], found[0]), error.problem)
            raise DebError(problem) from error
        digest = self._store.write_blob(data)
        self._store.write_record(_RECORDS, self.key(content), str(digest))
        return self._store.blob_path(digest)

    def _derive(self, content: DerivedContent) -> bytes:
        match content:
            case ExtractContent(package=package, member=member):
                return extract_member(self._store.blob_path(package.sha256), member)
            case TarballContent(package=package, member=member, keep=keep, drop=drop):
                return take_tarball(self._store.blob_path(package.sha256), member, keep, drop)
            case RootfsContent(packages=packages, filters=filters):
                return write_rootfs([self._store.blob_path(p.sha256) for p in packages], self._epoch, filters)
