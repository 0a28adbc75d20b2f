"""Publishing for real: to a stock registry, with stock clients on the other side.

Images here are tiny ones that no check would pass, so they are published unchecked; where the check matters, they are
full ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagefab.lock.file import read_lock
from imagefab.lock.staleness import platform_pins
from tests.e2e.support.command_line import CommandLine, list_layers
from tests.e2e.support.projects import snapshot
from tests.e2e.support.registry import INDEX, MANIFEST, ask, list_image_tags, list_tags, pull
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

PASSWORD = "open-sesame-4711"


def publish(line: CommandLine, *arguments: str | Path, **options: Any) -> dict[str, Any]:
    image: dict[str, Any] = line.json("publish", *arguments, "--unchecked", **options)["images"][0]
    return image


def test_what_is_there_afterwards(pair: CommandLine, place: str) -> None:
    """skopeo finds it by digest and by tag; the second time nothing is sent, and nothing changes."""
    said = pair.run("publish", "one", "--unchecked", "--to", place)
    name, _, digest = said.stdout.strip().partition("@")
    assert name == f"{place}/one"
    built = pair.build("one")
    assert digest == built["digest"]
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}@{digest}"],
        capture_output=True,
        check=True,
    ).stdout
    (tag,) = list_image_tags(name)
    assert tag.endswith(digest.removeprefix("sha256:")[:12])
    tagged = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:{tag}"]
    assert subprocess.run(tagged, capture_output=True, check=True).stdout == raw
    record = (pair.folder / "images/one/published.toml").read_text()
    assert digest in record
    assert name in record
    before, tags = snapshot(pair.folder), list_tags(name)
    again = publish(pair, "one", "--to", place)
    assert again["sent"] == {"bytes": 0, "blobs": 0, "mounted": 0}
    assert not any(again["missing"].values())
    assert snapshot(pair.folder) == before
    assert list_tags(name) == tags


def test_what_no_record_names_is_deleted(pair: CommandLine, place: str, tmp_path: Path) -> None:
    """From a stock registry; what the last record names stays, with its layers and what is attached."""

    def commit() -> None:
        git = ("git", "-C", str(pair.folder), "-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", "published"], check=True)

    subprocess.run(["git", "init", "-q", pair.folder], check=True)
    name = f"{place}/one"
    publish(pair, "one", "--to", place)
    commit()
    (old,) = list_image_tags(name)
    recipe = pair.folder / "recipes/one.toml"
    recipe.write_text(recipe.read_text() + "\n[env]\nMORE = 'x'\n")
    for words in (("lock",), ("build", "one", "--engine", "sandbox")):
        pair.run(*words)
    new = publish(pair, "one", "--to", place)
    commit()
    assert pair.run("gc", "--registry").stdout == ""
    assert pair.run("gc", "--registry", "--nights", "1").stdout.startswith(f"{name}:{old}@sha256:")
    pair.run("gc", "--registry", "--nights", "1", "--delete")
    (left,) = list_image_tags(name)
    assert left != old
    pull(f"{name}@{new['digest']}", tmp_path)
    assert pair.run("gc", "--registry", "--nights", "1").stdout == ""


def test_not_among_shared_layers(pair: CommandLine, place: str) -> None:
    (pair.folder / "imagefab.toml").write_text(f'[publish]\nlayers = "{place}/one"\n')
    refused = pair.run("publish", "one", "--unchecked", "--to", place, "--dry-run", code=2)
    assert "one would be published to the repository of shared layers" in refused.stderr


def test_a_dry_run_sends_nothing(pair: CommandLine, place: str) -> None:
    before = snapshot(pair.folder)
    image = publish(pair, "one", "--to", place, "--dry-run")
    assert image["missing"]["bytes"] > 20_000_000
    assert len(image["missing"]["attachments"]) == 2
    assert list_tags(f"{place}/one") == []
    assert snapshot(pair.folder) == before
    sent = publish(pair, "one", "--to", place)
    assert sent["sent"]["bytes"] == image["missing"]["bytes"]


def test_a_sibling_brings_only_its_own(pair: CommandLine, place: str, tmp_path: Path) -> None:
    (pair.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\ntag = "latest"\n')
    publish(pair, "one")
    image = publish(pair, "two")
    assert image["sent"]["mounted"] == len(list_layers(pair.build("one"))) - 1
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


def test_documents_are_attached(pair: CommandLine, place: str) -> None:
    """Where oras and others look for them; the image's digest is the one that was built."""
    name, _, digest = pair.run("publish", "one", "--unchecked", "--to", place).stdout.strip().partition("@")
    host, _, path = name.partition("/")
    listed = ask(f"{host}/v2/{path}/manifests/{digest.replace(':', '-')}", INDEX)["manifests"]
    assert {one["artifactType"] for one in listed} == {"application/spdx+json", "application/vnd.in-toto+json"}
    documents = {}
    for one in listed:
        manifest = ask(f"{host}/v2/{path}/manifests/{one['digest']}", MANIFEST)
        assert manifest["subject"]["digest"] == digest
        url = f"http://{host}/v2/{path}/blobs/{manifest['layers'][0]['digest']}"
        documents[one["artifactType"]] = subprocess.run(
            ["curl", "--silent", url], capture_output=True, check=True
        ).stdout
    assert documents["application/spdx+json"].decode() == pair.run("sbom", "one", "--offline").stdout
    statement = json.loads(documents["application/vnd.in-toto+json"])
    assert statement["subject"] == [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}]
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    lock = read_lock(pair.folder / "images/one/imagefab.lock", recipe="one")
    known = {one["digest"]["sha256"] for one in materials}
    assert {pin.sha256.hex for pin in platform_pins(lock, "linux/amd64")} <= known
    assert {one["name"] for one in materials if one["name"].endswith(".lock")} == {
        "images/one/imagefab.lock",
        "images/bases/debian-trixie/imagefab.lock",
    }
    layers = statement["predicate"]["runDetails"]["byproducts"]
    assert [one["digest"]["sha256"] for one in layers] == [
        layer["digest"].removeprefix("sha256:") for layer in pair.build("one")["platforms"]["linux/amd64"]["layers"]
    ]
    assert {one["annotations"]["engine"] for one in layers} == {"sandbox"}


def test_signatures(pair: CommandLine, place: str, tmp_path: Path) -> None:
    """cosign signs with the key, and stock cosign verifies, the image and its provenance."""
    require(shutil.which("cosign") is not None, "cosign")
    env = os.environ | {"COSIGN_PASSWORD": PASSWORD}
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    key = tmp_path / "cosign.key"
    reference = pair.run("publish", "one", "--unchecked", "--to", place, "--sign-key", key, env=env).stdout.strip()
    known = ("--key", str(tmp_path / "cosign.pub"), "--insecure-ignore-tlog=true")
    for verb, *more in (["verify"], ["verify-attestation", "--type", "slsaprovenance1"]):
        subprocess.run(["cosign", verb, *known, *more, reference], check=True, capture_output=True)
    tags = list_tags(f"{place}/one")
    assert publish(pair, "one", "--to", place, "--sign-key", key, env=env)["sent"]["blobs"] == 0
    assert list_tags(f"{place}/one") == tags
    recipe = pair.folder / "recipes/one.toml"
    recipe.write_text(f"{recipe.read_text()}# the same image, and not the same file\n")
    publish(pair, "one", "--to", place, "--sign-key", key, env=env)
    said = subprocess.run(
        ["cosign", "verify-attestation", *known, "--type", "slsaprovenance1", reference],
        check=True,
        capture_output=True,
    ).stdout
    statements = b"".join(base64.b64decode(json.loads(line)["payload"]) for line in said.splitlines())
    assert hashlib.sha256(recipe.read_bytes()).hexdigest().encode() in statements
    tags = list_tags(f"{place}/one")
    publish(pair, "one", "--to", place, "--sign-key", key, env=env)
    assert list_tags(f"{place}/one") == tags
    words = ("publish", "two", "--unchecked", "--to", place, "--sign-key", key)
    refused = pair.run(*words, code=2, env=env | {"COSIGN_PASSWORD": "x"})
    assert "COSIGN_PASSWORD" in refused.stderr
    assert not list_image_tags(f"{place}/two")
