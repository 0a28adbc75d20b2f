"""`imagefab verify`: the same again, and what it says when it is not."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


def test_an_outsider_verifies_what_is_published(studio: CommandLine, registry: str, tmp_path: Path) -> None:
    """With nothing but the checkout and the registry: a store of their own, and the record that was committed."""
    reference = studio.run("publish", "one", "--to", f"{registry}/verify").stdout.strip()
    outsider = CommandLine(tmp_path / "outsider", studio.folder)
    verified = outsider.run("verify", "one")
    assert verified.stdout.strip() == reference.rpartition("/")[2]
    # The layers were built, not believed.
    assert not (tmp_path / "outsider" / "layers").exists()


def test_another_image_is_told_from_it(studio: CommandLine, registry: str) -> None:
    """By the first layer and the file that differ."""
    studio.run("publish", "two", "--to", f"{registry}/verify")
    said = studio.run("verify", "one", "--against", f"{registry}/verify/two:{tag_of(studio, 'two')}", "--json", code=7)
    (image,) = json.loads(said.stdout)["images"]
    assert image["expected"] == studio.build("two")["digest"]
    difference = image["platforms"]["linux/amd64"]["difference"]
    assert difference["kind"] == "content"
    assert [file["path"] for file in difference["files"]] == ["opt/name"]
    assert "opt/name" in said.stderr


def tag_of(line: CommandLine, name: str) -> str:
    tag: str = tomllib.loads((line.folder / f"images/{name}/published.toml").read_text())["tag"]
    return tag


def test_what_cannot_be_compared(studio: CommandLine, registry: str, tmp_path: Path) -> None:
    """Bad input, each with an error that says what to do, and before anything is built."""
    gone = studio.run("verify", "one", "--against", f"{registry}/verify/nobody:latest", code=6)
    assert f"{registry}/verify/nobody:latest" in gone.stderr
    studio.run("verify", "one", "--against", "no such image", code=2)
    studio.run("verify", "one", "two", "--against", "sha256:" + "0" * 64, code=2)
    studio.run("verify", "one", "--platform", "linux/arm64", code=2)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/oci-layout").write_text("{}")
    (tmp_path / "bad/index.json").write_text('{"manifests": [{"digest": "sha256:x"}]}')
    studio.run("verify", "one", "--against", tmp_path / "bad", code=6)
    CommandLine(tmp_path / "empty", studio.folder).run("verify", "one", code=4)
