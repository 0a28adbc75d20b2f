"""References to images on registries: `registry/namespace/name`, with a tag, a digest, or neither."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from imagefab.digest import Digest
from imagefab.errors import UsageError

_HOST = re.compile(
    r"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?)\Z"
)
_PATH = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_MOST = 255

DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository on a registry, without a tag or digest."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `registry/namespace/name`. Raises UsageError for anything else, such as a name without a registry."""
        host, _, path = text.partition("/")
        if not is_repository(text):
            raise UsageError(
                f"{text!r} is not the name of an image on a registry", hint="like `ghcr.io/acme/images/aarch64-musl`"
            )
        return cls(host, path)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to one image."""

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def name(self) -> str:
        """What to ask the registry for: the digest if there is one, as it is more specific."""
        return str(self.digest) if self.digest else self.tag or "latest"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `registry/namespace/name`, `…:tag`, `…@sha256:…` or both."""
        refuse_login(text)
        rest, at, digest_text = text.partition("@")
        folder, slash, last = rest.rpartition("/")
        name, colon, tag = last.partition(":")
        repository = Repository.parse(f"{folder}{slash}{name}")
        if colon and not _TAG.match(tag):
            raise UsageError(f"{tag!r} is not a tag, in {text!r}")
        try:
            digest = Digest.parse(digest_text) if at else None
        except ValueError as error:
            raise UsageError(f"{error}, in {text!r}") from None
        return cls(repository, tag if colon else None, digest)


def refuse_login(text: str) -> None:
    """Raise UsageError for a name with something before an `@` that no digest follows, without repeating it."""
    if "@" in re.sub(r"@[a-z0-9]+:[0-9a-f]*\Z", "", text):
        raise UsageError("a login does not belong in the name of an image", hint="`docker login` keeps it")


def is_repository(text: str) -> bool:
    """Whether the text is `registry/namespace/name`, without a tag or digest."""
    host, _, path = text.partition("/")
    return _HOST.match(host) is not None and _PATH.match(path) is not None and len(text) <= _MOST


def is_loopback(host: str) -> bool:
    """Whether a registry is on this machine, where plain HTTP is fine."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+\Z", host) else host
    name = name.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def api_host(host: str) -> str:
    """The host that serves a registry's API."""
    return "registry-1.docker.io" if host == DOCKER_HUB else host
