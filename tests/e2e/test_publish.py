"""Publishing for real: to a stock registry, with stock clients on the other side, through a network that fails."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import proxy
from tests.e2e.conftest import CommandLine, guard_registry, serve_registry
from tests.e2e.support.proxy import Handler, Proxy, Rule, stand_before
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

USER, PASSWORD = "robot", "open-sesame-4711"


@pytest.fixture
def place(registry: str, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    return f"{registry}/{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower()).strip('-')}"


def ask(url: str, *accept: str) -> Any:
    """A registry, as curl sees it."""
    headers = [word for one in accept for word in ("--header", f"Accept: {one}")]
    said = subprocess.run(["curl", "--silent", "--fail", *headers, f"http://{url}"], capture_output=True, check=False)
    return json.loads(said.stdout) if said.returncode == 0 else None


def list_tags(name: str) -> list[str]:
    host, _, path = name.partition("/")
    return sorted((ask(f"{host}/v2/{path}/tags/list") or {}).get("tags") or [])


def pull(reference: str, folder: Path) -> None:
    """With skopeo, which looks at every byte."""
    command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}", f"dir:{folder}/pulled"]
    subprocess.run(command, check=True)


def publish(line: CommandLine, *arguments: str | Path, **options: Any) -> dict[str, Any]:
    image: dict[str, Any] = line.json("publish", *arguments, **options)["images"][0]
    return image


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_what_is_there_afterwards(studio: CommandLine, place: str) -> None:
    """skopeo finds it by digest and by tag; the second time nothing is sent, and nothing changes."""
    said = studio.run("publish", "one", "--to", place)
    name, _, digest = said.stdout.strip().partition("@")
    assert name == f"{place}/one"
    built = studio.build("one")
    assert digest == built["digest"]
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}@{digest}"],
        capture_output=True,
        check=True,
    ).stdout
    (tag,) = [tag for tag in list_tags(name) if not tag.startswith("sha256-")]
    assert tag.endswith(digest.removeprefix("sha256:")[:12])
    tagged = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:{tag}"]
    assert subprocess.run(tagged, capture_output=True, check=True).stdout == raw
    record = (studio.folder / "images/one/published.toml").read_text()
    assert digest in record
    assert name in record
    before, tags = snapshot(studio.folder), list_tags(name)
    again = publish(studio, "one", "--to", place)
    assert again["sent"] == {"bytes": 0, "blobs": 0, "mounted": 0}
    assert not any(again["missing"].values())
    assert snapshot(studio.folder) == before
    assert list_tags(name) == tags


def test_not_among_shared_layers(studio: CommandLine, place: str) -> None:
    (studio.folder / "imagefab.toml").write_text(f'[publish]\nlayers = "{place}/one"\n')
    refused = studio.run("publish", "one", "--to", place, "--dry-run", code=2)
    assert "one would be published where machines share layers" in refused.stderr


def test_a_dry_run_sends_nothing(studio: CommandLine, place: str) -> None:
    before = snapshot(studio.folder)
    image = publish(studio, "one", "--to", place, "--dry-run")
    assert image["missing"]["bytes"] > 100_000_000
    assert len(image["missing"]["attachments"]) == 2
    assert list_tags(f"{place}/one") == []
    assert snapshot(studio.folder) == before
    sent = publish(studio, "one", "--to", place)
    assert sent["sent"]["bytes"] == image["missing"]["bytes"]


def test_a_sibling_brings_only_its_own(studio: CommandLine, place: str, tmp_path: Path) -> None:
    (studio.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\ntag = "latest"\n')
    publish(studio, "one")
    image = publish(studio, "two")
    assert image["sent"]["mounted"] == 4
    assert image["sent"]["bytes"] < 100_000
    assert "latest" in list_tags(f"{place}/two")
    pull(f"{place}/two:latest", tmp_path)


def test_what_was_not_checked_stays_here(studio: CommandLine, place: str) -> None:
    record = studio.folder / "images/one/checked.toml"
    good = record.read_text()
    record.unlink()
    studio.run("publish", "one", "--to", place, code=8)
    record.write_text(good.replace('passed = ["labels", ', "passed = [").replace("failed = []", 'failed = ["labels"]'))
    assert "labels" in studio.run("publish", "one", "--to", place, code=8).stderr
    record.write_text(re.sub('manifest = "sha256:.', 'manifest = "sha256:f', good))
    studio.run("publish", "one", "--to", place, code=8)
    assert list_tags(f"{place}/one") == []
    studio.run("publish", "one", "--to", place, "--unchecked")
    assert len(list_tags(f"{place}/one")) == 2


def test_all_goes_on_when_one_cannot(studio: CommandLine, place: str) -> None:
    (studio.folder / "images/one/checked.toml").unlink()
    said = studio.run("publish", "--all", "--to", place, code=8)
    assert said.stdout.startswith(f"{place}/two@")
    assert list_tags(f"{place}/one") == []


def test_documents_are_attached(studio: CommandLine, place: str) -> None:
    """Where oras and others look for them; the image's digest is the one that was built."""
    name, _, digest = studio.run("publish", "one", "--to", place).stdout.strip().partition("@")
    host, _, path = name.partition("/")
    index = "application/vnd.oci.image.index.v1+json"
    listed = ask(f"{host}/v2/{path}/manifests/{digest.replace(':', '-')}", index)["manifests"]
    assert {one["artifactType"] for one in listed} == {"application/spdx+json", "application/vnd.in-toto+json"}
    documents = {}
    for one in listed:
        manifest = ask(f"{host}/v2/{path}/manifests/{one['digest']}", "application/vnd.oci.image.manifest.v1+json")
        assert manifest["subject"]["digest"] == digest
        url = f"http://{host}/v2/{path}/blobs/{manifest['layers'][0]['digest']}"
        documents[one["artifactType"]] = subprocess.run(
            ["curl", "--silent", url], capture_output=True, check=True
        ).stdout
    assert documents["application/spdx+json"].decode() == studio.run("sbom", "one", "--offline").stdout
    statement = json.loads(documents["application/vnd.in-toto+json"])
    assert statement["subject"] == [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    lock = (studio.folder / "images/one/imagefab.lock").read_text()
    amd64 = lock.partition('name = "linux/arm64"')[0]
    known = {one["digest"]["sha256"] for one in materials}
    assert set(re.findall(r'arch = .*sha256 = "(\w{64})"', amd64)) <= known


def test_signatures(studio: CommandLine, place: str, tmp_path: Path) -> None:
    """cosign signs with the key, and stock cosign verifies, the image and its provenance."""
    require(shutil.which("cosign") is not None, "cosign")
    env = os.environ | {"COSIGN_PASSWORD": PASSWORD}
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    key = tmp_path / "cosign.key"
    reference = studio.run("publish", "one", "--to", place, "--sign-key", key, env=env).stdout.strip()
    known = ("--key", str(tmp_path / "cosign.pub"), "--insecure-ignore-tlog=true")
    for verb, *more in (["verify"], ["verify-attestation", "--type", "slsaprovenance1"]):
        subprocess.run(["cosign", verb, *known, *more, reference], check=True, capture_output=True)
    tags = list_tags(f"{place}/one")
    assert publish(studio, "one", "--to", place, "--sign-key", key, env=env)["sent"]["blobs"] == 0
    assert list_tags(f"{place}/one") == tags
    recipe = studio.folder / "recipes/one.toml"
    recipe.write_text(f"{recipe.read_text()}# the same image, and not the same file\n")
    publish(studio, "one", "--to", place, "--sign-key", key, env=env)
    said = subprocess.run(
        ["cosign", "verify-attestation", *known, "--type", "slsaprovenance1", reference],
        check=True,
        capture_output=True,
    ).stdout
    statements = b"".join(base64.b64decode(json.loads(line)["payload"]) for line in said.splitlines())
    assert hashlib.sha256(recipe.read_bytes()).hexdigest().encode() in statements
    tags = list_tags(f"{place}/one")
    publish(studio, "one", "--to", place, "--sign-key", key, env=env)
    assert list_tags(f"{place}/one") == tags
    refused = studio.run("publish", "two", "--to", place, "--sign-key", key, code=2, env=env | {"COSIGN_PASSWORD": "x"})
    assert "COSIGN_PASSWORD" in refused.stderr
    assert not [tag for tag in list_tags(f"{place}/two") if not tag.startswith("sha256-")]


# -- logging in -------------------------------------------------------------------------------------------------------


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
def test_ways_to_log_in(how: str, studio: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    """And the password is nowhere: not in what is said, not in the project, not in the store, not in an argument."""
    env = log_in(tmp_path / "login", locked_registry, how)
    before = {path for path in studio.store.rglob("*") if path.is_file()}
    process = studio.start("-v", "publish", "one", "--to", f"{locked_registry}/team/{how.lower()}", "--json", env=env)
    arguments = b""
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments += path.read_bytes()
            except OSError:
                continue
        time.sleep(0.05)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["images"][0]["sent"]["blobs"] > 0
    new = [path for path in studio.store.rglob("*") if path.is_file() and path not in before]
    files = b"".join(path.read_bytes() for path in [*new, *studio.folder.rglob("*")] if path.is_file())
    for secret in (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in out + err
        assert secret.encode() not in files
        assert secret.encode() not in arguments


@pytest.mark.parametrize("how", ["credsStore", "podman"])
def test_cosign_has_the_same_login(how: str, studio: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    """Also where Docker has a file that knows nothing of it."""
    require(shutil.which("cosign") is not None, "cosign")
    env = log_in(tmp_path / "login", locked_registry, how) | {"COSIGN_PASSWORD": PASSWORD}
    (tmp_path / "login/.docker").mkdir()
    (tmp_path / "login/.docker/config.json").write_text("{}")
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    place = f"{locked_registry}/team/signed-{how.lower()}"
    signed = studio.run("publish", "one", "--to", place, "--sign-key", tmp_path / "cosign.key", env=env)
    assert f"provenance of {signed.stdout.strip()} signed" in signed.stderr
    assert PASSWORD not in signed.stderr


def test_without_a_login(studio: CommandLine, locked_registry: str, tmp_path: Path) -> None:
    env = os.environ | {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    refused = studio.run("publish", "one", "--to", f"{locked_registry}/team", code=6, env=env)
    assert f"docker login {locked_registry}" in refused.stderr


def test_a_private_authority(studio: CommandLine, tmp_path: Path) -> None:
    """A registry with TLS whose certificate only SSL_CERT_FILE vouches for; through a proxy too."""
    make = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=test "
        "-addext subjectAltName=IP:127.0.0.1,DNS:registry.example.org"
    )
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    tls = {"certificate": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    with serve_registry(tmp_path, http={"tls": tls}) as host:
        refused = studio.run("publish", "one", "--to", f"{host}/team", code=6)
        assert "certificate" in refused.stderr
        env = os.environ | {"SSL_CERT_FILE": str(tmp_path / "cert.pem")}
        studio.run("publish", "one", "--to", f"{host}/team", env=env)
        # From a network that only a proxy leads out of, where nobody else knows the name.
        with proxy.tunnel_to(host) as (address, wanted):
            there = env | {"HTTPS_PROXY": address, "NO_PROXY": "", "no_proxy": ""}
            said = studio.run("publish", "one", "--to", "registry.example.org/team", env=there).stdout
        assert said.startswith("registry.example.org/team/one@")
        assert set(wanted) == {"CONNECT registry.example.org:443 HTTP/1.1"}


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.fixture
def weather(registry: str) -> Iterator[Proxy]:
    with stand_before(registry) as one:
        yield one


PASSING: dict[str, list[tuple[str, Callable[[Handler], None], int]]] = {
    "cut": [("PUT .*blobs", proxy.cut(1_000_000), 2)],
    "cut at once": [("PUT .*blobs", proxy.cut(0), 1), ("PUT .*manifests", proxy.cut(0), 1)],
    "500": [("PUT .*blobs", proxy.say(500), 1), ("PUT .*manifests", proxy.say(502), 2), ("HEAD", proxy.say(503), 2)],
    "429": [("POST", proxy.say(429, Retry_After="1"), 1), ("HEAD", proxy.say(429), 1)],
    "401": [("PUT .*blobs", proxy.say(401), 1), ("GET .*manifests", proxy.say(401), 1)],
    "lost": [("PUT .*blobs", proxy.lose_answer, 2), ("PUT .*manifests", proxy.lose_answer, 1)],
    "lies": [("GET .*manifests/sha256:", proxy.mislabel, 1), ("GET .*manifests/sha256:", proxy.falsify, 1)],
    "truncated": [("GET .*manifests/sha256:", proxy.truncate, 2)],
    "slow": [("PUT .*blobs", proxy.dawdle(3), 1), ("GET .*manifests", proxy.dawdle(2), 1)],
}


@pytest.mark.parametrize("name", PASSING)
def test_bad_weather_passes(name: str, studio: CommandLine, weather: Proxy, place: str, tmp_path: Path) -> None:
    weather.rules += [Rule(when, act, times) for when, act, times in PASSING[name]]
    to = f"{weather.host}/{place.partition('/')[2]}"
    reference = studio.run("publish", "one", "--to", to).stdout.strip()
    assert not weather.left
    pull(f"{place}/one@{reference.partition('@')[2]}", tmp_path)


LASTING: dict[str, tuple[str, Callable[[Handler], None]]] = {
    "cut": ("PUT .*blobs", proxy.cut(1_000_000)),
    "500": ("PUT .*manifests/sha256:", proxy.say(500)),
    "429": ("PUT .*blobs", proxy.say(429, Retry_After="9999")),
    "lies": ("GET .*manifests/sha256:", proxy.falsify),
    "truncated": ("GET .*manifests/sha256:", proxy.truncate),
    "tag": ("PUT .*manifests/20", proxy.say(500)),
}


@pytest.mark.parametrize("name", LASTING)
def test_bad_weather_stays(name: str, studio: CommandLine, weather: Proxy, place: str) -> None:
    """It says so, no tag leads to something incomplete, and later the rest goes."""
    when, act = LASTING[name]
    weather.rules.append(Rule(when, act, 1000))
    to = f"{weather.host}/{place.partition('/')[2]}"
    said = studio.run("publish", "one", "--to", to, code=6)
    assert weather.host in said.stderr
    assert not (studio.folder / "images/one/published.toml").exists()
    assert not [tag for tag in list_tags(f"{place}/one") if not tag.startswith("sha256-")]
    weather.rules.clear()
    studio.run("publish", "one", "--to", to)
    assert [tag for tag in list_tags(f"{place}/one") if not tag.startswith("sha256-")]


@pytest.mark.parametrize("stage", ["PUT .*blobs", "PUT .*manifests/sha256:", "PUT .*manifests/20"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_killed_in_the_middle(
    stage: str, number: signal.Signals, studio: CommandLine, weather: Proxy, place: str, tmp_path: Path
) -> None:
    """At that request the program dies; the next run is right."""
    to = f"{weather.host}/{place.partition('/')[2]}"
    began: list[float] = []

    def hold(handler: Handler) -> None:
        began.append(time.monotonic())
        time.sleep(1.5)
        handler.forward()

    weather.rules.append(Rule(stage, hold))
    process = studio.start("publish", "one", "--to", to)
    while not began:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    assert not out
    assert "Traceback" not in err
    time.sleep(2)
    name = f"{place}/one"
    for tag in list_tags(name):
        if not tag.startswith("sha256-"):
            subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}:{tag}"], check=True)
    assert not (studio.folder / "images/one/published.toml").exists()
    studio.run("publish", "one", "--to", to)
    pull(f"{name}@{studio.build('one')['digest']}", tmp_path)


def test_two_at_once(studio: CommandLine, place: str) -> None:
    first = studio.start("publish", "one", "two", "--to", place)
    second = studio.start("publish", "two", "one", "--to", place)
    said = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert sorted(said[0][0].splitlines()) == sorted(said[1][0].splitlines())
    for name in ("one", "two"):
        listed = ask(f"{place.replace('/', '/v2/', 1)}/{name}/manifests/{_fallback(studio, name)}",
                     "application/vnd.oci.image.index.v1+json")  # fmt: skip
        assert len(listed["manifests"]) == 2


def _fallback(line: CommandLine, name: str) -> str:
    digest: str = line.build(name)["digest"]
    return digest.replace(":", "-")
