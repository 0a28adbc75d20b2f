"""The tags of a repository, page by page."""

from __future__ import annotations

import json
import re

from imagefab.registry.access import scope_to_read
from imagefab.registry.client import Client
from imagefab.registry.errors import RegistryError
from imagefab.registry.reference import Repository

_MOST_PAGES = 1000
_NEXT = re.compile(r"<([^>]*)>\s*;[^,]*\brel=\"?next\"?")


def list_tags(client: Client, repository: Repository) -> list[str]:
    """All tags, or none if there is no such repository."""
    address = f"{repository.path}/tags/list"
    found: list[str] = []
    for _ in range(_MOST_PAGES):
        answer = client.call("GET", address, scope_to_read(repository))
        if answer.status == 404:
            return found
        if answer.status != 200:
            raise RegistryError(f"{repository} does not list its tags: {client.explain(answer)}")
        found += _read_tags(answer.body)
        following = _NEXT.search(answer.headers.get("Link", ""))
        if following is None:
            return found
        address = client.follow(answer.url, following[1])
    raise RegistryError(f"{repository} lists more tags than {_MOST_PAGES} pages have")


def _read_tags(body: bytes) -> list[str]:
    try:
        tags = json.loads(body)["tags"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return []
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
