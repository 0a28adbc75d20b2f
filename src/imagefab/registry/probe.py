"""Check whether images that people pull by digest still exist.

A registry that lacks an image says so. One that doesn't answer has not lost it, so the two are kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imagefab.errors import ImagefabError
from imagefab.registry.client import Client, work_at_once
from imagefab.registry.errors import PassingError, RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    lost: Mapping[str, str] = field(default_factory=dict)
    """References of lost images, and why."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """References that got no answer, and why."""


def probe_images(
    places: Mapping[str, str], open_client: Callable[[str], Client], warn: Callable[[str], None]
) -> Probed:
    """Look up images by reference. `places` says where each is used, for messages."""
    lost: dict[str, str] = {}
    silent: dict[str, str] = {}
    by_host: dict[str, dict[str, Reference]] = {}
    for text, place in places.items():
        try:
            reference = Reference.parse(text)
        except ImagefabError as error:
            warn(f"{place}: {error.problem}, so it is not looked up")
            silent[text] = error.problem
            continue
        by_host.setdefault(reference.repository.host, {})[text] = reference
    for host, references in by_host.items():
        try:
            answers = _ask_for(open_client(host), references)
        except ImagefabError as error:
            # Not reachable is not lost.
            warn(f"{host} can't be asked for pins in use: {error.problem}")
            silent |= dict.fromkeys(references, error.problem)
            continue
        lost |= {name: "the registry does not have it" for name, answer in answers.items() if answer is False}
        for name, answer in answers.items():
            if isinstance(answer, str):
                warn(f"can't find out whether {name} exists: {answer}")
                silent[name] = answer
    return Probed(lost=lost, silent=silent)


def _ask_for(client: Client, references: Mapping[str, Reference]) -> dict[str, bool | str]:
    """Whether each exists, or why the registry doesn't say. Raises PassingError if it doesn't answer at all."""

    def ask(reference: Reference) -> bool | str:
        assert reference.digest is not None
        try:
            return Manifests(client, reference.repository).has(reference.digest)
        except PassingError:
            raise
        except RegistryError as error:
            return error.problem

    with work_at_once(client) as pool:
        return dict(zip(references, pool.map(ask, references.values()), strict=True))
