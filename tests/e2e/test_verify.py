"""`imagefab verify`: the same again, and what it says when it is not."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.command_line import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


def test_an_outsider_verifies_what_is_published(pair: CommandLine, place: str, tmp_path: Path) -> None:
    """With nothing but the checkout and the registry: a store of their own, and the record that was committed."""
    reference = pair.run("publish", "one", "--unchecked", "--to", place).stdout.strip()
    outsider = CommandLine(tmp_path / "outsider", pair.folder)
    verified = outsider.run("verify", "one")
    assert verified.stdout.strip() == reference.rpartition("/")[2]
    # The layers were built, not believed.
    assert not (tmp_path / "outsider" / "layers").exists()


def test_another_image_is_told_from_it(pair: CommandLine, place: str) -> None:
    """By the first layer and the file that differ."""
    pair.run("publish", "two", "--unchecked", "--to", place)
    said = pair.run("verify", "one", "--against", f"{place}/two:{tag_of(pair, 'two')}", "--json", code=7)
    (image,) = json.loads(said.stdout)["images"]
    assert image["expected"] == pair.build("two")["digest"]
    difference = image["platforms"]["linux/amd64"]["difference"]
    assert difference["kind"] == "content"
    assert [file["path"] for file in difference["files"]] == ["opt/name"]
    assert "opt/name" in said.stderr


def test_a_config_is_not_believed(pair: CommandLine, tmp_path: Path) -> None:
    """The same config, byte for byte, over a layer with one file more: the layer itself tells."""
    layout = tmp_path / "layout"
    pair.run("build", "one", "--output", layout)
    forge_last_layer(layout)
    said = pair.run("verify", "one", "--against", layout, "--json", code=7)
    difference = json.loads(said.stdout)["images"][0]["platforms"]["linux/amd64"]["difference"]
    assert difference["kind"] == "content"
    assert [file["path"] for file in difference["files"]] == ["usr/bin/backdoor"]
    assert "usr/bin/backdoor" in pair.run("diff", "one", layout).stdout


def forge_last_layer(layout: Path) -> None:
    def blob(entry: dict[str, Any]) -> Path:
        return layout / "blobs" / "sha256" / str(entry["digest"]).removeprefix("sha256:")

    def put(entry: dict[str, Any], data: bytes) -> None:
        entry |= {"digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
        blob(entry).write_bytes(data)

    index = json.loads((layout / "index.json").read_text())
    (image,) = index["manifests"]
    manifest = json.loads(blob(image).read_text())
    layer = manifest["layers"][-1]
    tar = io.BytesIO(gzip.decompress(blob(layer).read_bytes()))
    with tarfile.open(fileobj=tar, mode="a") as more:
        more.addfile(tarfile.TarInfo("usr/bin/backdoor"))
    put(layer, gzip.compress(tar.getvalue()))
    put(image, json.dumps(manifest).encode())
    (layout / "index.json").write_text(json.dumps(index))


def tag_of(line: CommandLine, name: str) -> str:
    tag: str = tomllib.loads((line.folder / f"images/{name}/published.toml").read_text())["tag"]
    return tag


def test_what_cannot_be_compared(pair: CommandLine, place: str, tmp_path: Path) -> None:
    """Bad input, each with an error that says what to do, and before anything is built."""
    gone = pair.run("verify", "one", "--against", f"{place}/nobody:latest", code=6)
    assert f"{place}/nobody:latest" in gone.stderr
    pair.run("verify", "one", "--against", "no such image", code=2)
    pair.run("verify", "one", "two", "--against", "sha256:" + "0" * 64, code=2)
    pair.run("verify", "one", "--platform", "linux/arm64", code=2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/oci-layout").write_text("{}")
    (tmp_path / "bad/index.json").write_text('{"manifests": [{"digest": "sha256:x"}]}')
    pair.run("verify", "one", "--against", tmp_path / "bad", code=6)
    CommandLine(tmp_path / "empty", pair.folder).run("verify", "one", code=4)
