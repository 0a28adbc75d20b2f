"""Reading logins from files and helpers, also from broken ones."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagefab.errors import FetchError
from imagefab.registry.credentials import Credentials, Keyring, hide_secrets, list_login_files
from imagefab.registry.reference import Repository

REPOSITORY = Repository("ghcr.io", "acme/images/one")
HUB = Repository("docker.io", "acme/one")


def encode(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def find(tmp_path: Path) -> Callable[..., Credentials | None]:
    def read(*configs: Any, repository: Repository = REPOSITORY) -> Credentials | None:
        files = []
        for number, config in enumerate(configs):
            files.append(tmp_path / f"{number}.json")
            files[-1].write_text(config if isinstance(config, str) else json.dumps(config))
        return Keyring(files=(tmp_path / "not there", *files)).find(repository)

    return read


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A credential helper that does what a script says."""

    def make(script: str) -> None:
        path = tmp_path / "docker-credential-mine"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return make


@pytest.mark.parametrize(
    "config",
    [
        {"auths": {"ghcr.io": encode("me", "secret")}},
        {"auths": {"https://ghcr.io": encode("me", "secret")}},
        {"auths": {"https://ghcr.io/v2/": encode("me", "secret")}},
        {"auths": {"ghcr.io": encode("other", "x"), "ghcr.io/acme": encode("me", "secret")}},
        {"auths": {"ghcr.io": {"username": "me", "password": "secret"}}},
        {"auths": {"ghcr.i": encode("x", "y"), "ghcr.io": encode("me", "secret")}, "HttpHeaders": {}},
    ],
)
def test_logins(config: Any, find: Callable[..., Credentials | None]) -> None:
    found = find(config)
    assert found is not None
    assert (found.username, found.secret) == ("me", "secret")
    assert "secret" not in repr(found)


def test_identity_and_registry_tokens(find: Callable[..., Credentials | None]) -> None:
    found = find({"auths": {"ghcr.io": {"auth": "", "identitytoken": "abc"}}})
    assert found is not None and found.identity_token == "abc"
    found = find({"auths": {"ghcr.io": {"registrytoken": "def"}}})
    assert found is not None and found.registry_token == "def"


def test_the_old_name_of_docker_hub(find: Callable[..., Credentials | None]) -> None:
    found = find({"auths": {"https://index.docker.io/v1/": encode("me", "secret")}}, repository=HUB)
    assert found is not None and found.username == "me"


def test_the_first_file_that_knows_decides(find: Callable[..., Credentials | None]) -> None:
    found = find({"auths": {"quay.io": encode("x", "y")}}, {"auths": {"ghcr.io": encode("me", "secret")}})
    assert found is not None and found.username == "me"
    assert find({}, {"auths": {}}, {"auths": {"ghcr.io": {}}}) is None


@pytest.mark.parametrize("config", [{"credsStore": "mine"}, {"credHelpers": {"ghcr.io": "mine"}}])
def test_helpers(config: Any, find: Callable[..., Any], helper: Callable[[str], None], tmp_path: Path) -> None:
    """They are asked on their standard input."""
    helper(f'cat >{tmp_path}/asked; echo "$@" >{tmp_path}/arguments; echo \'{{"Username": "me", "Secret": "secret"}}\'')
    found = find(config)
    assert (found.username, found.secret) == ("me", "secret")
    assert (tmp_path / "asked").read_text() == "ghcr.io"
    assert (tmp_path / "arguments").read_text() == "get\n"


def test_a_helper_with_an_identity_token(find: Callable[..., Any], helper: Callable[[str], None]) -> None:
    helper('echo \'{"Username": "<token>", "Secret": "abc"}\'')
    found = find({"credsStore": "mine"})
    assert (found.identity_token, found.secret) == ("abc", "")


def test_a_helper_that_knows_nothing(find: Callable[..., Any], helper: Callable[[str], None]) -> None:
    helper('echo "credentials not found in native keychain"; exit 1')
    assert find({"credsStore": "mine"}, {"auths": {"ghcr.io": encode("me", "s")}}).username == "me"


@pytest.mark.parametrize("script", ["exit 3", "echo secret-text; exit 1", "echo not json", "echo '{}'", "echo '[]'"])
def test_a_helper_that_fails(script: str, find: Callable[..., Any], helper: Callable[[str], None]) -> None:
    helper(script)
    with pytest.raises(FetchError) as caught:
        find({"credHelpers": {"ghcr.io": "mine"}})
    assert "docker-credential-mine" in str(caught.value)
    assert "secret-text" not in str(caught.value)


@pytest.mark.parametrize("name", ["nobody-has-this", "../../bin/sh", "a b", ""])
def test_a_missing_helper(name: str, find: Callable[..., Any]) -> None:
    with pytest.raises(FetchError):
        find({"credHelpers": {"ghcr.io": name}})


@pytest.mark.parametrize("config", ["", "{", "[]", "7", '{"auths": {"ghcr.io": {"auth": "?"}}}', "[" * 100_000])
def test_broken_files(config: str, find: Callable[..., Any]) -> None:
    with pytest.raises(FetchError):
        find(config)


@pytest.mark.parametrize("config", [{"auths": 7}, {"auths": {"ghcr.io": 7}}, {"credHelpers": 7}, {"credsStore": 7}])
def test_malformed_entries_are_skipped(config: Any, find: Callable[..., Any]) -> None:
    assert find(config) is None


def test_control_characters(find: Callable[..., Any]) -> None:
    """Of a file that was written with `echo`; what else no header takes is an error that does not show it."""
    assert find({"auths": {"ghcr.io": {"registrytoken": "abc\n"}}}).registry_token == "abc"
    with pytest.raises(FetchError) as caught:
        find({"auths": {"ghcr.io": {"registrytoken": "abc\r\nX-Evil: 1"}}})
    assert "Evil" not in f"{caught.value}{caught.value.hint}"


def test_files_of_logins() -> None:
    files = list_login_files({"DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/r"}, Path("/home/me"), 1000)
    assert files[:2] == (Path("/r"), Path("/d/config.json"))
    assert list_login_files({}, Path("/home/me"), 1000)[0] == Path("/home/me/.docker/config.json")


def test_secrets_are_hidden() -> None:
    assert hide_secrets("a secret and a secretary", ["secret", "secretary"]) == "a … and a …"
