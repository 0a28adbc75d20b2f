"""Push one recipe's images: missing blobs first, then what refers to them, and the tag last.

Blobs, configs, manifests, index, attachments, tag: each exists before anything refers to it. However a push ends, no
tag points to something incomplete, and the next push continues. What was pushed is read back before it is tagged.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO

from imagefab.digest import Digest, canonical_json
from imagefab.errors import MismatchError
from imagefab.oci.image import INDEX, MANIFEST, ImageSet
from imagefab.progress import Progress
from imagefab.registry.blobs import Blob, Blobs, Way
from imagefab.registry.client import Client, work_at_once
from imagefab.registry.errors import RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Repository
from imagefab.store.store import Store

_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A document about an image, in a manifest of its own whose subject is the image."""

    subject: Digest
    subject_type: str
    subject_size: int
    kind: str
    """The document's media type."""
    data: bytes
    created: str

    @property
    def manifest(self) -> bytes:
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": self.kind,
                "config": _describe(_EMPTY_TYPE, _EMPTY),
                "layers": [_describe(self.kind, self.data)],
                "subject": {
                    "mediaType": self.subject_type,
                    "digest": str(self.subject),
                    "size": self.subject_size,
                },
                "annotations": {"org.opencontainers.image.created": self.created},
            }
        )

    @property
    def descriptor(self) -> dict[str, object]:
        """Its entry in a list of referrers."""
        return _describe(MANIFEST, self.manifest) | {
            "artifactType": self.kind,
            "annotations": {"org.opencontainers.image.created": self.created},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Everything that one push sends to a repository."""

    repository: Repository
    images: ImageSet
    attachments: tuple[Attachment, ...] = ()
    tag: str
    """Never moved to another image."""
    moving_tag: str | None = None
    siblings: Mapping[Digest, tuple[Repository, ...]]
    """Repositories on the same registry that have a blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a repository lacks of a parcel."""

    blobs: tuple[Blob, ...]
    mountable: frozenset[Digest]
    """Blobs that a sibling has."""
    manifests: tuple[tuple[Digest, bytes, str], ...]
    attachments: tuple[Attachment, ...]
    tags: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not (self.blobs or self.manifests or self.attachments or self.tags)

    @property
    def bytes_to_send(self) -> int:
        return sum(blob.size for blob in self.blobs if blob.digest not in self.mountable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    sent: int = 0
    """Bytes of blobs."""
    blobs_sent: int = 0
    blobs_mounted: int = 0


_LOOKS = 4


class _StoppedError(RegistryError):
    """Another upload of the same parcel failed."""


def find_missing(parcel: Parcel, client: Client, store: Store) -> Missing:
    """Ask the registry what is missing. Raises MismatchError if the parcel's own tag points elsewhere."""
    blobs = Blobs(client, parcel.repository, siblings=_list_siblings(parcel))
    manifests = Manifests(client, parcel.repository)
    wanted = {blob.digest: blob for blob in _list_blobs(parcel, store)}
    with work_at_once(client) as pool:
        there = dict(zip(wanted, pool.map(partial(blobs.has, to_write=True), wanted), strict=True))
        # Blobs of attachments are only looked up if an attachment is missing.
        documents = _list_manifests(parcel.images)
        kept = list(pool.map(manifests.has, [digest for digest, _, _ in documents]))
        attached = list(pool.map(lambda one: _is_attached(manifests, one), parcel.attachments))
        tagged = list(pool.map(lambda tag: manifests.find(tag, to_write=True), _list_tags(parcel)))
    tags = []
    for tag, found in zip(_list_tags(parcel), tagged, strict=True):
        if found is None or found.digest != parcel.images.digest:
            if found is not None and tag == parcel.tag:
                raise MismatchError(
                    f"{parcel.repository}:{tag} is already another image, {found.digest}",
                    hint="a tag with a digest in it never moves; find out who moved it, and remove it",
                )
            tags.append(tag)
    missing_blobs = tuple(blob for digest, blob in wanted.items() if not there[digest])
    return Missing(
        blobs=missing_blobs,
        mountable=frozenset(blob.digest for blob in missing_blobs if parcel.siblings.get(blob.digest)),
        manifests=tuple(one for one, is_there in zip(documents, kept, strict=True) if not is_there),
        attachments=tuple(one for one, is_there in zip(parcel.attachments, attached, strict=True) if not is_there),
        tags=tuple(tags),
    )


def push(
    parcel: Parcel, missing: Missing, client: Client, progress: Progress, *, sign: Callable[[], None] | None = None
) -> Pushed:
    """Send what is missing, in the order that leaves nothing incomplete behind a tag."""
    blobs = Blobs(client, parcel.repository, siblings=_list_siblings(parcel))
    manifests = Manifests(client, parcel.repository)
    ways = _send_blobs(parcel, missing.blobs, client, progress)
    for digest, data, media_type in missing.manifests:
        manifests.put(str(digest), data, media_type)
    if missing.manifests or missing.tags:
        _read_back(parcel, manifests)
    for attachment in missing.attachments:
        for data in (_EMPTY, attachment.data):
            if not blobs.has(Digest.of_bytes(data), to_write=True):
                blobs.put(_blob_of(data), (), lambda _: None)
        manifests.attach(attachment.subject, attachment.manifest, MANIFEST, attachment.descriptor)
    if sign is not None:
        sign()
    top = _list_manifests(parcel.images)[-1]
    for tag in missing.tags:
        manifests.put(tag, top[1], top[2])
        if _find_target(manifests, tag, client) != parcel.images.digest:
            raise MismatchError(f"{parcel.repository}:{tag} does not point to {parcel.images.digest} after the push")
    sizes = {blob.digest: blob.size for blob in missing.blobs}
    sent = [digest for digest, way in ways.items() if way is Way.SENT]
    return Pushed(sent=sum(sizes[digest] for digest in sent), blobs_sent=len(sent), blobs_mounted=len(ways) - len(sent))


def _find_target(manifests: Manifests, tag: str, client: Client) -> Digest | None:
    """Return what a tag points to that was just written. While somebody else writes it too, some registries lose it."""
    for attempt in range(_LOOKS):
        if attempt:
            client.pause(client.patience.pause)
        if (found := manifests.find(tag, to_write=True)) is not None:
            return found.digest
    return None


def _send_blobs(parcel: Parcel, missing: Sequence[Blob], client: Client, progress: Progress) -> dict[Digest, Way]:
    """Send several at once. If one fails or the run is interrupted, the others end."""
    if not missing:
        return {}
    blobs = Blobs(client, parcel.repository, siblings=_list_siblings(parcel))
    task = progress.start(f"push {parcel.repository}", total=sum(blob.size for blob in missing), unit="B")
    is_over = False

    def advance(amount: int) -> None:
        if is_over:
            raise _StoppedError("stopped")
        task.advance(amount)

    def send(blob: Blob) -> Way:
        way = blobs.put(blob, parcel.siblings.get(blob.digest, ()), advance)
        if way is Way.MOUNTED:
            task.advance(blob.size)
        return way

    with work_at_once(client) as pool:
        # Largest first, so that none of them is left alone at the end.
        futures = {blob.digest: pool.submit(send, blob) for blob in sorted(missing, key=lambda one: -one.size)}
        try:
            ways = {digest: future.result() for digest, future in futures.items()}
        except BaseException:
            is_over = True
            raise
    task.finish()
    return ways


def _read_back(parcel: Parcel, manifests: Manifests) -> None:
    """Check that others get the same bytes under the same digest."""
    for digest, data, _ in _list_manifests(parcel.images):
        found = manifests.find(str(digest), to_write=True)
        if found is None or found.data != data:
            raise MismatchError(
                f"{parcel.repository} does not give {digest} back after the push",
                hint="something between this machine and the registry changes data",
            )


def _is_attached(manifests: Manifests, attachment: Attachment) -> bool:
    digest = Digest.of_bytes(attachment.manifest)
    if not manifests.has(digest):
        return False
    return any(one.get("digest") == str(digest) for one in manifests.list_referrers(attachment.subject))


def _list_manifests(images: ImageSet) -> list[tuple[Digest, bytes, str]]:
    """In the order to push them: what the recipe's digest names comes last."""
    found = [(image.digest, image.manifest, MANIFEST) for image in images.images]
    if images.index is not None:
        found.append((images.digest, images.index, INDEX))
    return found


def _list_blobs(parcel: Parcel, store: Store) -> list[Blob]:
    """Layers, then configs."""
    layers = {layer.digest: layer for image in parcel.images.images for layer in image.layers}
    found = [
        Blob(digest=digest, size=layer.size, open=partial(_open_layer, store, digest))
        for digest, layer in layers.items()
    ]
    return found + [_blob_of(image.config) for image in parcel.images.images]


def _open_layer(store: Store, digest: Digest) -> IO[bytes]:
    return store.open_blob(digest)


def _blob_of(data: bytes) -> Blob:
    opener: Callable[[], IO[bytes]] = partial(io.BytesIO, data)
    return Blob(digest=Digest.of_bytes(data), size=len(data), open=opener)


def _list_tags(parcel: Parcel) -> list[str]:
    return [parcel.tag, *([parcel.moving_tag] if parcel.moving_tag else [])]


def _list_siblings(parcel: Parcel) -> tuple[Repository, ...]:
    return tuple(sorted({one for found in parcel.siblings.values() for one in found}))


def _describe(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of_bytes(data)), "size": len(data)}
