"""Authenticate to a registry: answer its challenges, and keep what it grants while that is valid."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from imagefab.registry.auth import Challenge, Grant, check_realm, choose_challenge, parse_challenges, read_token
from imagefab.registry.credentials import Credentials, Keyring, hide_secrets
from imagefab.registry.errors import DeniedError, PassingError, RegistryError
from imagefab.registry.reference import Repository

_CLIENT_ID = "imagefab"
_FORM = "application/x-www-form-urlencoded"

Ask = Callable[[str, str, dict[str, str], bytes], tuple[int, bytes]]
"""Sends a method, URL, headers and body to a token service, with retries, and returns the status and body."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Permissions requested for a repository, as token services spell them."""

    repository: Repository
    actions: tuple[str, ...]


def scope_to_read(repository: Repository) -> Scope:
    return Scope(repository, (f"repository:{repository.path}:pull",))


def scope_to_write(repository: Repository, siblings: Sequence[Repository] = ()) -> Scope:
    """To push, and to mount blobs from siblings."""
    others = sorted({one.path for one in siblings} - {repository.path})
    return Scope(
        repository, (f"repository:{repository.path}:pull,push", *(f"repository:{path}:pull" for path in others))
    )


def scope_to_delete(repository: Repository) -> Scope:
    return Scope(repository, (f"repository:{repository.path}:pull,push,delete",))


@dataclass(frozen=True, slots=True)
class _Known:
    challenge: Challenge
    grant: Grant


class Access:
    """Authentication to one registry, shared between threads."""

    def __init__(self, host: str, keyring: Keyring, ask: Ask) -> None:
        self._host = host
        self._keyring = keyring
        self._ask = ask
        self._guard = threading.Lock()
        self._credentials: dict[Repository, Credentials | None] = {}
        self._known: dict[Scope, _Known] = {}

    def find(self, scope: Scope) -> Grant | None:
        """The grant for a scope, renewed before it expires; None while the registry is not known to require one."""
        with self._guard:
            known = self._known.get(scope)
        if known is None or known.grant.until > time.monotonic():
            return None if known is None else known.grant
        return self._answer(known.challenge, scope)

    def learn(self, challenges: Sequence[str], scope: Scope) -> None:
        """Answer a 401. If several threads get one at once, each fetches its own token; they are cheap."""
        challenge = choose_challenge(parse_challenges(challenges))
        if challenge is None:
            raise PassingError(f"{self._host} answers 401 without saying how to log in", hint=self._how_to_log_in())
        self._answer(challenge, scope)

    def refuse(self, repository: Repository, status: int) -> DeniedError:
        """The error for a refused login."""
        credentials = self._find_credentials(repository)
        if credentials is None:
            return DeniedError(
                f"{self._host} requires a login for this in {repository.path}", hint=self._how_to_log_in()
            )
        return DeniedError(
            f"{self._host} answers {status}: the login from {credentials.origin} may not do this in {repository.path}",
            hint=f"log in with an account that may: {self._how_to_log_in()}",
        )

    def hide(self, text: str) -> str:
        """Remove credentials from the registry's text."""
        with self._guard:
            secrets = [secret for one in self._credentials.values() if one is not None for secret in one.secrets]
            grants = [known.grant.header.partition(" ")[2] for known in self._known.values()]
        return hide_secrets(text, [*secrets, *grants])

    def _answer(self, challenge: Challenge, scope: Scope) -> Grant:
        credentials = self._find_credentials(scope.repository)
        if challenge.scheme == "basic":
            if credentials is None or not credentials.secret:
                raise self.refuse(scope.repository, 401)
            grant = Grant(header=f"Basic {credentials.basic}", until=float("inf"))
        elif credentials is not None and credentials.registry_token.isascii() and credentials.registry_token:
            grant = Grant(header=f"Bearer {credentials.registry_token}", until=float("inf"))
        else:
            grant = self._fetch_token(challenge, scope, credentials)
        with self._guard:
            self._known[scope] = _Known(challenge, grant)
        return grant

    def _fetch_token(self, challenge: Challenge, scope: Scope, credentials: Credentials | None) -> Grant:
        realm = check_realm(challenge.realm, self._host)
        fields = [("service", challenge.service)] if challenge.service else []
        if credentials is not None and credentials.identity_token:
            form = [
                *fields,
                ("grant_type", "refresh_token"),
                ("refresh_token", credentials.identity_token),
                ("client_id", _CLIENT_ID),
                ("scope", " ".join(scope.actions)),
            ]
            status, body = self._ask("POST", realm, {"Content-Type": _FORM}, urlencode(form).encode())
        else:
            query = urlencode([*fields, *(("scope", action) for action in scope.actions)])
            headers = {"Authorization": f"Basic {credentials.basic}"} if credentials is not None else {}
            status, body = self._ask("GET", f"{realm}{'&' if urlsplit(realm).query else '?'}{query}", headers, b"")
        if status != 200:
            raise self.refuse(scope.repository, status)
        try:
            grant = read_token(json.loads(body), time.monotonic())
        except (ValueError, RecursionError):
            grant = None
        if grant is None:
            raise RegistryError(f"the token service of {self._host} returned no token")
        return grant

    def _find_credentials(self, repository: Repository) -> Credentials | None:
        with self._guard:
            if repository not in self._credentials:
                self._credentials[repository] = self._keyring.find(repository)
            return self._credentials[repository]

    def _how_to_log_in(self) -> str:
        return f"`docker login {self._host}` or `podman login {self._host}`; in CI, with a token on standard input"
