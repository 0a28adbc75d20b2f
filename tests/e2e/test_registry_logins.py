"""Logins to registries: the ways that there are, one for cosign as well, and certificates of a private authority."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.support import proxy
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.processes import list_command_lines
from tests.e2e.support.registry import guard_registry, serve_registry
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

USER, PASSWORD = "robot", "open-sesame-4711"


@pytest.fixture(scope="module")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("locked")
    with serve_registry(folder, auth=guard_registry(folder, USER, PASSWORD)) as host:
        yield host


def log_in(folder: Path, host: str, how: str) -> dict[str, str]:
    """An environment in which somebody is logged in, in one of the ways that there are."""
    folder.mkdir()
    entry = {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    helper = folder / "docker-credential-vault"
    helper.write_text(
        "#!/bin/sh\nread name\n"
        f'[ "$1" = get ] && [ "$name" = "{host}" ] || {{ echo "credentials not found"; exit 1; }}\n'
        f'echo \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n'
    )
    helper.chmod(0o755)
    config = {
        "auths": {"auths": {host: entry}},
        "credHelpers": {"credHelpers": {host: "vault"}},
        "credsStore": {"credsStore": "vault"},
        "podman": {"auths": {f"{host}/team": entry}},
    }[how]
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)}
    if how == "podman":
        (folder / "auth.json").write_text(json.dumps(config))
        return os.environ | env | {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    (folder / "config.json").write_text(json.dumps(config))
    return os.environ | env | {"DOCKER_CONFIG": str(folder)}


@pytest.mark.parametrize("how", ["auths", "credHelpers", "credsStore", "podman"])
def test_ways_to_log_in(how: str, pair: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    """And the password is nowhere: not in what is said, not in the project, not in the store, not in an argument."""
    env = log_in(tmp_path / "login", locked_registry, how)
    before = {path for path in pair.store.rglob("*") if path.is_file()}
    process = pair.start(
        "-v", "publish", "one", "--unchecked", "--to", f"{locked_registry}/team/{how.lower()}", "--json", env=env
    )
    arguments = b""
    while process.poll() is None:
        arguments += "".join(word for _, words in list_command_lines() for word in words).encode()
        time.sleep(0.05)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["images"][0]["sent"]["blobs"] > 0
    new = [path for path in pair.store.rglob("*") if path.is_file() and path not in before]
    files = b"".join(path.read_bytes() for path in [*new, *pair.folder.rglob("*")] if path.is_file())
    for secret in (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in out + err
        assert secret.encode() not in files
        assert secret.encode() not in arguments


@pytest.mark.parametrize("how", ["credsStore", "podman"])
def test_cosign_has_the_same_login(how: str, pair: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    """Also where Docker has a file that knows nothing of it."""
    require(shutil.which("cosign") is not None, "cosign")
    env = log_in(tmp_path / "login", locked_registry, how) | {"COSIGN_PASSWORD": PASSWORD}
    (tmp_path / "login/.docker").mkdir()
    (tmp_path / "login/.docker/config.json").write_text("{}")
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    place = f"{locked_registry}/team/signed-{how.lower()}"
    signed = pair.run("publish", "one", "--unchecked", "--to", place, "--sign-key", tmp_path / "cosign.key", env=env)
    assert f"signed the provenance of {signed.stdout.strip()}" in signed.stderr
    assert PASSWORD not in signed.stderr


def test_without_a_login(pair: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    env = os.environ | {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    refused = pair.run("publish", "one", "--unchecked", "--to", f"{locked_registry}/team", code=6, env=env)
    assert f"docker login {locked_registry}" in refused.stderr


def test_a_private_authority(pair: CommandLine, tmp_path: Path) -> None:
    """A registry with TLS whose certificate only SSL_CERT_FILE vouches for; through a proxy too."""
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=test "
        "-addext subjectAltName=IP:127.0.0.1,DNS:registry.example.org"
    )
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    with serve_registry(tmp_path, http={"tls": tls}) as host:
        refused = pair.run("publish", "one", "--unchecked", "--to", f"{host}/team", code=6)
        assert "certificate" in refused.stderr
        env = os.environ | {"SSL_CERT_FILE": str(tmp_path / "cert.pem")}
        pair.run("publish", "one", "--unchecked", "--to", f"{host}/team", env=env)
        # From a network that only a proxy leads out of, where nobody else knows the name.
        with proxy.tunnel_to(host) as (address, wanted):
            there = env | {"HTTPS_PROXY": address, "NO_PROXY": "", "no_proxy": ""}
            said = pair.run("publish", "one", "--unchecked", "--to", "registry.example.org/team", env=there).stdout
        assert said.startswith("registry.example.org/team/one@")
        assert set(wanted) == {"CONNECT registry.example.org:443 HTTP/1.1"}
