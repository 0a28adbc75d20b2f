"""Manifests and indexes of a repository, by digest or tag. What is read matches its digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagefab.digest import Digest, canonical_json
from imagefab.oci.image import INDEX, MANIFEST
from imagefab.registry.access import scope_to_delete, scope_to_read, scope_to_write
from imagefab.registry.client import Answer, Client
from imagefab.registry.errors import PassingError, RegistryError
from imagefab.registry.reference import Repository

_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = (INDEX, _DOCKER_LIST)
_ACCEPT = ", ".join((INDEX, MANIFEST, _DOCKER_LIST, _DOCKER_MANIFEST))
_ATTEMPTS_AT_REFERRERS = 4
_BLOB_IS_LOST = (b"DIGEST_INVALID", b"MANIFEST_BLOB_UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest or an index, as read."""

    digest: Digest
    media_type: str
    data: bytes
    value: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES


class Manifests:
    def __init__(self, client: Client, repository: Repository) -> None:
        self._client = client
        self._repository = repository
        self._reading = scope_to_read(repository)
        self._writing = scope_to_write(repository)

    def find(self, name: str, *, to_write: bool = False) -> Manifest | None:
        """The manifest that a tag or a digest points to; None if there is none."""

        def attempt() -> Manifest | None:
            answer = self._call("GET", name, to_write=to_write, headers={"Accept": _ACCEPT})
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise self._make_error(answer, f"does not give {name}")
            return self._read(answer, name)

        return self._client.insist(attempt)

    def has(self, digest: Digest) -> bool:
        """Whether a manifest exists, without reading it."""
        answer = self._call("HEAD", str(digest), to_write=False, headers={"Accept": _ACCEPT})
        if answer.status not in (200, 404):
            raise self._make_error(answer, f"does not say whether it has {digest}")
        return answer.status == 200

    def put(self, name: str, data: bytes, media_type: str) -> Answer:
        """Put a manifest. Some registries lose sight of a blob for a moment while somebody else pushes the same one."""

        def attempt() -> Answer:
            answer = self._call("PUT", name, to_write=True, headers={"Content-Type": media_type}, content=data)
            if answer.status in (200, 201, 202):
                return answer
            error = self._make_error(answer, f"does not take {name}")
            if any(code in answer.body for code in _BLOB_IS_LOST):
                raise PassingError(error.problem, hint=error.hint)
            raise error

        return self._client.insist(attempt)

    def delete(self, digest: Digest) -> None:
        """Delete a manifest and all tags that point to it; one that is not there is no error."""
        address = f"{self._repository.path}/manifests/{digest}"
        answer = self._client.call("DELETE", address, scope_to_delete(self._repository))
        if answer.status == 405 or b"UNSUPPORTED" in answer.body:
            raise RegistryError(
                f"{self._repository.host} does not let images be deleted",
                hint="many registries have a setting for it; others delete by their own rules, in their own interface",
            )
        if answer.status not in (200, 202, 204, 404):
            raise self._make_error(answer, f"does not delete {digest}")

    # -- referrers ------------------------------------------------------------------------------------------------

    def list_referrers(self, subject: Digest) -> list[dict[str, Any]]:
        """The referrers of a manifest, as the registry lists them and as the fallback tag does."""
        address = f"{self._repository.path}/referrers/{subject}"
        answer = self._client.call("GET", address, self._reading)
        listed = _read_descriptors(answer.body) if answer.status == 200 else []
        fallback = self.find(fallback_tag(subject))
        if fallback is not None:
            known = {one.get("digest") for one in listed}
            listed += [one for one in _read_descriptors(fallback.data) if one.get("digest") not in known]
        return listed

    def attach(self, subject: Digest, data: bytes, media_type: str, descriptor: Mapping[str, Any]) -> None:
        """Put a manifest that has a subject. If the registry doesn't list referrers, a tag does."""
        answer = self.put(str(Digest.of_bytes(data)), data, media_type)
        if answer.headers.get("OCI-Subject"):
            return
        name = fallback_tag(subject)
        for attempt in range(_ATTEMPTS_AT_REFERRERS):
            before = self.find(name, to_write=True)
            listed = _read_descriptors(before.data) if before is not None else []
            if any(one.get("digest") == descriptor["digest"] for one in listed):
                return
            # Concurrent writers may lose an entry, so check again once both had time to write.
            self.put(name, make_list([*listed, descriptor]), INDEX)
            if attempt:
                self._client.pause(self._client.patience.pause)
        after = self.find(name, to_write=True)
        if after is None or descriptor["digest"] not in {one.get("digest") for one in _read_descriptors(after.data)}:
            raise RegistryError(f"{self._repository}:{name} does not keep what is attached to {subject}")

    # -- requests -------------------------------------------------------------------------------------------------

    def _call(self, method: str, name: str, *, to_write: bool, headers: dict[str, str], content: bytes = b"") -> Answer:
        return self._client.call(
            method,
            f"{self._repository.path}/manifests/{name}",
            self._writing if to_write else self._reading,
            headers=headers,
            content=content,
        )

    def _read(self, answer: Answer, name: str) -> Manifest:
        digest = Digest.of_bytes(answer.body)
        if name.startswith("sha256:") and name != str(digest):
            raise PassingError(f"{self._repository} gives something else than {name}")
        told = answer.headers.get("Docker-Content-Digest", str(digest))
        if told.startswith("sha256:") and told != str(digest):
            raise PassingError(f"{self._repository} gives something else for {name} than it says, {told}")
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise PassingError(f"what {self._repository} gives for {name} is no JSON") from None
        if not isinstance(value, dict):
            raise RegistryError(f"what {self._repository} gives for {name} is not a manifest")
        told_type = answer.headers.get("Content-Type", "").partition(";")[0]
        kind = value.get("mediaType")
        return Manifest(
            digest=digest, media_type=kind if isinstance(kind, str) else told_type, data=answer.body, value=value
        )

    def _make_error(self, answer: Answer, what: str) -> RegistryError:
        return RegistryError(f"{self._repository} {what}: {self._client.explain(answer)}")


def fallback_tag(subject: Digest) -> str:
    """The tag that lists a manifest's referrers if the registry doesn't."""
    return f"sha256-{subject.hex}"


def make_list(descriptors: list[Any]) -> bytes:
    ordered = sorted(descriptors, key=lambda one: (str(one.get("artifactType", "")), str(one.get("digest", ""))))
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": ordered})


def _read_descriptors(data: bytes) -> list[dict[str, Any]]:
    try:
        listed = json.loads(data)["manifests"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return []
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
