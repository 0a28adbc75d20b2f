"""Artifacts: single documents in a repository, in a manifest each, found by tag."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial

from imagefab.digest import Digest, canonical_json
from imagefab.oci.image import MANIFEST
from imagefab.oci.parts import read_size
from imagefab.registry.blobs import Blob, Blobs
from imagefab.registry.client import Client
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifest, Manifests
from imagefab.registry.reference import Repository
from imagefab.registry.tags import list_tags

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_TITLE = "org.opencontainers.image.title"
_MOST = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    digest: Digest
    """The manifest's."""
    data: bytes


class Artifacts:
    """Documents of one kind in a repository."""

    def __init__(self, client: Client, repository: Repository, *, kind: str, title: str) -> None:
        """`kind` is a media type; `title` is the file name that other clients give a document."""
        self._client = client
        self._repository = repository
        self._blobs = Blobs(client, repository)
        self._manifests = Manifests(client, repository)
        self._kind = kind
        self._title = title

    def find(self, tag: str, *, to_write: bool = False) -> Artifact | None:
        manifest = self._manifests.find(tag, to_write=to_write)
        if manifest is None:
            return None
        digest, size = self._read_layer(manifest, tag)
        file = io.BytesIO()
        self._blobs.fetch(digest, size, file, lambda _: None)
        return Artifact(digest=manifest.digest, data=file.getvalue())

    def push(self, data: bytes) -> Digest:
        """Push a document. Only the tag that is to follow makes others find it."""
        for part in (EMPTY, data):
            if not self._blobs.has(Digest.of_bytes(part), to_write=True):
                blob = Blob(digest=Digest.of_bytes(part), size=len(part), open=partial(io.BytesIO, part))
                self._blobs.put(blob, (), lambda _: None)
        manifest = self._make_manifest(data)
        digest = Digest.of_bytes(manifest)
        self._manifests.put(str(digest), manifest, MANIFEST)
        return digest

    def tag(self, data: bytes, tag: str) -> None:
        """Point a tag to a document that was pushed."""
        self._manifests.put(tag, self._make_manifest(data), MANIFEST)

    def list_tags(self) -> list[str]:
        return list_tags(self._client, self._repository)

    def _make_manifest(self, data: bytes) -> bytes:
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": self._kind,
                "config": {"mediaType": EMPTY_TYPE, "digest": str(Digest.of_bytes(EMPTY)), "size": len(EMPTY)},
                "layers": [
                    {
                        "mediaType": self._kind,
                        "digest": str(Digest.of_bytes(data)),
                        "size": len(data),
                        "annotations": {_TITLE: self._title},
                    }
                ],
            }
        )

    def _read_layer(self, manifest: Manifest, tag: str) -> tuple[Digest, int]:
        try:
            (layer,) = manifest.value["layers"]
            kind, digest, size = layer["mediaType"], Digest.parse(layer["digest"]), read_size(layer["size"])
        except (ValueError, KeyError, TypeError, AttributeError):
            kind, digest, size = None, manifest.digest, 0
        if kind != self._kind or size > _MOST:
            raise RegistryError(
                f"{self._repository}:{tag} is not {self._kind}", hint="something else was pushed there; remove it"
            )
        return digest, size
