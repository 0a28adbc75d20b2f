"""Credentials from `docker login` and `podman login`, and from the credential helpers that these configure.

Secrets are left out of reprs, so that no message or log can include one by accident. Helpers get the registry's name on
standard input and answer on standard output: nothing is passed as an argument.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagefab.errors import FetchError
from imagefab.files.plain import BadFileError, NoFileError, read_bytes
from imagefab.registry.reference import DOCKER_HUB, Repository

_HELPER = re.compile(r"[A-Za-z0-9._-]+\Z")
_HELPER_TIME = 60
_NOT_FOUND = "credentials not found"
_TOKEN_USER = "<token>"  # noqa: S105  # what helpers give as the name beside an identity token
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    username: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    """A refresh token for the token service, instead of a password."""
    registry_token: str = field(default="", repr=False)
    """A bearer token to use as it is."""
    origin: str
    """Where the credentials come from, for messages."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must never be shown."""
        basic = self.basic if self.secret else ""
        return tuple(text for text in (self.secret, self.identity_token, self.registry_token, basic) if text)

    @property
    def basic(self) -> str:
        return base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Where to look for credentials."""

    files: tuple[Path, ...] = ()
    """The first file that knows a registry wins."""

    def find(self, repository: Repository) -> Credentials | None:
        """Find credentials; None if no file has any. Raises FetchError if a file or a helper can't be read."""
        for path in self.files:
            config = _read_config(path)
            if config is not None and (found := _find_in(config, path, repository)) is not None:
                return found
        return None


def list_login_files(env: Mapping[str, str], home: Path, user: int) -> tuple[Path, ...]:
    """The files that hold logins, in the order in which the tools themselves look."""
    docker = Path(env["DOCKER_CONFIG"]) if env.get("DOCKER_CONFIG") else home / ".docker"
    runtime = env.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    config = env.get("XDG_CONFIG_HOME") or str(home / ".config")
    named = [Path(env["REGISTRY_AUTH_FILE"])] if env.get("REGISTRY_AUTH_FILE") else []
    return (
        *named,
        docker / "config.json",
        Path(runtime) / "containers" / "auth.json",
        Path(f"/run/containers/{user}/auth.json"),
        Path(config) / "containers" / "auth.json",
    )


def _read_config(path: Path) -> Mapping[str, Any] | None:
    try:
        config = json.loads(read_bytes(path))
    except NoFileError:
        return None
    except BadFileError as error:
        raise FetchError(f"{path}: {error.problem}", hint="this file has the logins to registries") from None
    except (ValueError, RecursionError) as error:
        raise FetchError(f"{path} is not JSON: {error}", hint="this file has the logins to registries") from None
    if not isinstance(config, dict):
        raise FetchError(f"{path} has no JSON object", hint="this file has the logins to registries")
    return config


def _find_in(config: Mapping[str, Any], path: Path, repository: Repository) -> Credentials | None:
    helpers, auths, everything = (config.get(name) for name in ("credHelpers", "auths", "credsStore"))
    names = list(_list_names(repository))
    if isinstance(helpers, dict):
        for name in names:
            if isinstance(helper := helpers.get(name), str):
                return _ask_helper(helper, name, path)
    if isinstance(everything, str) and everything:
        for name in (n for n in names if "/" not in n or n.startswith("https://")):
            if (found := _ask_helper(everything, name, path)) is not None:
                return found
    if isinstance(auths, dict):
        entries = {_strip(key): entry for key, entry in auths.items()}
        for name in names:
            entry = auths.get(name) or entries.get(_strip(name))
            if isinstance(entry, dict) and (found := _read_entry(entry, path)) is not None:
                return found
    return None


def _list_names(repository: Repository) -> Iterator[str]:
    """The keys that may hold a repository's entry, the most specific first."""
    parts = repository.path.split("/")
    for count in range(len(parts), 0, -1):
        yield f"{repository.host}/{'/'.join(parts[:count])}"
    if repository.host == DOCKER_HUB:
        yield from _HUB_KEYS
    else:
        yield repository.host
        yield f"https://{repository.host}"


def _strip(key: str) -> str:
    """Remove the scheme and version that old logins have in their key."""
    return re.sub(r"(/v[12])?/?\Z", "", re.sub(r"\Ahttps?://", "", key))


def _read_entry(entry: Mapping[str, Any], path: Path) -> Credentials | None:
    def text(name: str) -> str:
        value = entry.get(name)
        return value if isinstance(value, str) else ""

    username, secret = text("username"), text("password")
    if text("auth"):
        try:
            username, _, secret = base64.b64decode(text("auth"), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            raise FetchError(f"{path}: an `auth` in it is not base64", hint="log in again") from None
        secret = secret.rstrip("\0")
    found = Credentials(
        username=_check(username, path),
        secret=_check(secret, path),
        identity_token=_check(text("identitytoken"), path),
        registry_token=_check(text("registrytoken"), path),
        origin=str(path),
    )
    return found if found.secrets else None


def _check(text: str, origin: object) -> str:
    """Check a header value: trailing line ends are removed, other control characters are an error."""
    text = text.rstrip("\r\n")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise FetchError(f"{origin} has a login with control characters in it", hint="log in again")
    return text


def _ask_helper(helper: str, name: str, path: Path) -> Credentials | None:
    program = f"docker-credential-{helper}"
    hint = f"{path} names this helper; log in again, or put the program on PATH"
    if not _HELPER.match(helper):
        raise FetchError(f"{path}: {helper!r} is not the name of a credential helper")
    try:
        result = subprocess.run(
            [program, "get"], input=name.encode(), capture_output=True, check=False, timeout=_HELPER_TIME
        )
    except FileNotFoundError:
        raise FetchError(f"the credential helper {program} is not installed", hint=hint) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"the credential helper {program} does not work: {type(error).__name__}", hint=hint) from None
    if result.returncode != 0:
        if _NOT_FOUND in (result.stdout + result.stderr).decode(errors="replace"):
            return None
        raise FetchError(f"the credential helper {program} failed for {name}, with {result.returncode}", hint=hint)
    try:
        answer = json.loads(result.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, RecursionError, KeyError, TypeError):
        raise FetchError(f"the credential helper {program} gave no credentials for {name}", hint=hint) from None
    username, secret = _check(username, program), _check(secret, program)
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret, origin=program)
    return Credentials(username=username, secret=secret, origin=program)


NO_KEYRING = Keyring()


def hide_secrets(text: str, secrets: Sequence[str]) -> str:
    """Remove secrets from text that may repeat them."""
    spelt = {form for one in secrets for form in (one, one.encode("unicode_escape").decode())}
    for secret in sorted(spelt, key=len, reverse=True):
        text = text.replace(secret, "…")
    return text
