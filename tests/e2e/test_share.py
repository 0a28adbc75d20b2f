"""Machines that share layers through a registry: two engines, two stores, one registry."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker")]


@pytest.fixture
def sharing(pair: CommandLine, place: str) -> CommandLine:
    (pair.folder / "imagefab.toml").write_text(f'[publish]\nlayers = "{place}/layers"\n')
    return pair


def test_what_one_builds_the_other_takes(sharing: CommandLine, place: str, tmp_path: Path) -> None:
    """The second machine has another engine, and builds only what nobody has built: the same image comes out."""
    built = sharing.build("one", "--push-layers")
    elsewhere = CommandLine(tmp_path / "elsewhere", sharing.folder)
    done = elsewhere.run("build", "one", "--engine", "docker", "--json")
    (image,) = json.loads(done.stdout)["images"]
    assert image["digest"] == built["digest"]
    assert image["engine"] is None
    origins = {(one["engine"], one["from"]) for one in image["platforms"]["linux/amd64"]["layers"]}
    assert origins == {("sandbox", f"{place}/layers")}
    assert not (elsewhere.store / "derived").exists()
    sibling = elsewhere.build("two", "--engine", "docker", "--push-layers")
    layers = sibling["platforms"]["linux/amd64"]["layers"]
    assert [layer["cached"] for layer in layers] == [True] * (len(layers) - 1) + [False]
    assert sibling["digest"] == sharing.build("two")["digest"]
    # And back: the first one's way, from a third store.
    third = CommandLine(tmp_path / "third", sharing.folder)
    assert third.build("two", "--engine", "sandbox")["engine"] is None


def test_a_share_that_does_not_work(sharing: CommandLine, tmp_path: Path) -> None:
    """Nobody answers: it is said, and layers are built. To give them away fails."""
    (sharing.folder / "imagefab.toml").write_text('[publish]\nlayers = "127.0.0.1:1/no/layers"\n')
    sharing.run("build", "one")
    sharing.run("build", "one", "--push-layers", code=6)
    (sharing.folder / "imagefab.toml").write_text("")
    sharing.run("build", "one", "--push-layers", code=2)


def test_what_lies_there_is_not_believed(sharing: CommandLine, registry: str, tmp_path: Path) -> None:
    """A layer that does not match its record never gets into a store."""
    sharing.build("one", "--push-layers")
    place = re.search(r'layers = "[^/]+/(.*)"', (sharing.folder / "imagefab.toml").read_text())
    assert place is not None
    tags = json.loads(_get(f"http://{registry}/v2/{place[1]}/tags/list"))["tags"]
    manifest = json.loads(_get(f"http://{registry}/v2/{place[1]}/manifests/{tags[0]}"))
    # Somebody puts another layer under that key, with all digests right.
    other = json.loads(_get(f"http://{registry}/v2/{place[1]}/manifests/{tags[1]}"))
    record = json.loads(_get(f"http://{registry}/v2/{place[1]}/blobs/{manifest['config']['digest']}"))
    wrong = json.loads(_get(f"http://{registry}/v2/{place[1]}/blobs/{other['config']['digest']}"))
    assert {layer["key"] for layer in record["layers"]} == {f"sha256:{tags[0]}"}
    (right, *_), (false, *_) = record["layers"], wrong["layers"]
    adapted = {key: right[key] for key in ("key", "name", "diff_id")}
    for number, forged in enumerate((wrong, {"layers": [false | adapted]})):
        _put_manifest(registry, place[1], tags[0], manifest | {"layers": other["layers"]}, forged, tmp_path)
        line = CommandLine(tmp_path / f"store-{number}", sharing.folder)
        built = line.run("build", "one")
        assert "layer" in built.stderr
        assert built.stdout == sharing.run("build", "one").stdout


def _get(url: str) -> bytes:
    accept = "Accept: application/vnd.oci.image.manifest.v1+json"
    return subprocess.run(
        ["curl", "--silent", "--fail", "--header", accept, url], capture_output=True, check=True
    ).stdout


def _put_manifest(registry: str, path: str, tag: str, manifest: object, record: object, folder: Path) -> None:
    data = json.dumps(record).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    (folder / "record").write_bytes(data)
    begun = subprocess.run(
        ["curl", "--silent", "--include", "--request", "POST", f"http://{registry}/v2/{path}/blobs/uploads/"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    location = re.search(r"(?i)^location: (\S+)", begun, re.MULTILINE)
    assert location is not None
    upload = ["--data-binary", f"@{folder}/record", "--header", "Content-Type: application/octet-stream"]
    subprocess.run(
        ["curl", "--silent", "--fail", "--request", "PUT", *upload, f"{location[1]}&digest={digest}"], check=True
    )
    assert isinstance(manifest, dict)
    value = manifest | {"config": manifest["config"] | {"digest": digest, "size": len(data)}}
    (folder / "manifest").write_text(json.dumps(value))
    kind = ["--header", "Content-Type: application/vnd.oci.image.manifest.v1+json"]
    put = ["--request", "PUT", "--data-binary", f"@{folder}/manifest", *kind]
    subprocess.run(["curl", "--silent", "--fail", *put, f"http://{registry}/v2/{path}/manifests/{tag}"], check=True)
