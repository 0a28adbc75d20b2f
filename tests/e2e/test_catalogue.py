"""The catalogue of a namespace, kept by real publishers on a stock registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagefab.records.catalogue_schema import CATALOGUE_SCHEMA
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.projects import copy_project, snapshot
from tests.e2e.support.registry import MANIFEST, ask, list_tags
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

PASSWORD = "open-sesame-4711"


def read(place: str) -> dict[str, Any]:
    """What curl finds, by recipe."""
    host, _, path = place.partition("/")
    manifest = ask(f"{host}/v2/{path}/catalogue/manifests/latest", MANIFEST)
    document = ask(f"{host}/v2/{path}/catalogue/blobs/{manifest['layers'][0]['digest']}")
    jsonschema.validate(document, CATALOGUE_SCHEMA)
    return {one["recipe"]: one for one in document["images"]}


def test_it_says_what_is_there(studio: CommandLine, place: str) -> None:
    (studio.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\ndefaults = ["two"]\n')
    said = studio.json("publish", "--all")
    assert said["catalogue"]["reference"].startswith(f"{place}/catalogue@sha256:")
    assert said["catalogue"]["changed"]
    found = read(place)
    for image in said["images"]:
        entry = found[image["recipe"]]
        assert {key: entry[key] for key in ("reference", "digest", "tag", "target")} == {
            key: image[key] for key in ("reference", "digest", "tag", "target")
        }
        (platform,) = entry["platforms"].values()
        assert platform["manifest"] == image["platforms"]["linux/amd64"]["manifest"]
        assert "labels" in platform["passed"]
        assert platform["facts"]["gcc"]
        assert platform["size"] > 10_000_000
        assert entry["libc"] == "glibc"
        assert entry["libc_floor"] == platform["facts"]["glibc"]
    assert [name for name, entry in found.items() if entry["default"]] == ["two"]
    before, tags = snapshot(studio.folder), list_tags(f"{place}/catalogue")
    assert not studio.json("publish", "--all")["catalogue"]["changed"]
    assert (snapshot(studio.folder), list_tags(f"{place}/catalogue")) == (before, tags)


def test_records_from_before_there_was_one(pair: CommandLine, place: str) -> None:
    """The next publication fills it, with what is on record."""
    (pair.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\ncatalogue = false\n')
    assert pair.json("publish", "one", "--unchecked")["catalogue"] is None
    assert list_tags(f"{place}/catalogue") == []
    (pair.folder / "imagefab.toml").write_text(f'[publish]\nto = "{place}"\n')
    record = pair.folder / "images/one/published.toml"
    record.write_text(re.sub("published = .*", "published = 2025-05-05T05:05:05Z", record.read_text()))
    pair.run("publish", "two", "--unchecked")
    assert set(read(place)) == {"one", "two"}
    assert read(place)["one"]["published"] == "2025-05-05T05:05:05Z"


def test_two_publishers_at_once(pair: CommandLine, place: str, tmp_path: Path) -> None:
    """Each has one recipe, and they begin together, again and again."""
    other = copy_project(pair, tmp_path / "other")
    for number in range(4):
        to = f"{place}/{number}"
        running = [
            line.start("publish", name, "--unchecked", "--to", to, "--no-attach")
            for line, name in ((pair, "one"), (other, "two"))
        ]
        said = [process.communicate(timeout=120) for process in running]
        assert [process.returncode for process in running] == [0, 0], said
        assert set(read(to)) == {"one", "two"}


def test_what_replaced_what(pair: CommandLine, place: str) -> None:
    first = pair.json("publish", "one", "--unchecked", "--to", place)["images"][0]
    recipe = pair.folder / "recipes/one.toml"
    recipe.write_text(recipe.read_text() + '\n[env]\nNEW = "1"\n')
    pair.run("lock", "one")
    pair.run("build", "one", "--engine", "sandbox")
    second = pair.json("publish", "one", "--unchecked", "--to", place)["images"][0]
    assert second["digest"] != first["digest"]
    entry = read(place)["one"]
    assert entry["digest"] == second["digest"]
    assert [(one["digest"], one["tag"]) for one in entry["replaced"]] == [(first["digest"], first["tag"])]


def test_it_is_signed(pair: CommandLine, place: str, tmp_path: Path) -> None:
    require(shutil.which("cosign") is not None, "cosign")
    env = os.environ | {"COSIGN_PASSWORD": PASSWORD}
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, env=env, check=True, capture_output=True)
    words = ("--unchecked", "--to", place, "--sign-key", tmp_path / "cosign.key")
    for recipe in ("one", "two"):
        reference = pair.json("publish", recipe, *words, env=env)["catalogue"]["reference"]
        known = ("--key", str(tmp_path / "cosign.pub"), "--insecure-ignore-tlog=true")
        subprocess.run(["cosign", "verify", *known, reference], check=True, capture_output=True)
    assert set(read(place)) == {"one", "two"}


def test_a_recipe_with_its_name(pair: CommandLine, place: str) -> None:
    for file in ("recipes/{}.toml", "images/{}"):
        (pair.folder / file.format("one")).rename(pair.folder / file.format("catalogue"))
    pair.run("lock", "catalogue")
    refused = pair.run("publish", "catalogue", "--unchecked", "--to", place, code=2)
    assert "is where the catalogue is" in refused.stderr


def test_where_it_cannot_be_written(pair: CommandLine, place: str) -> None:
    """The images are published all the same, and their records are written."""
    pair.run("publish", "one", "--unchecked", "--to", place)
    host, _, path = place.partition("/")
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false",
         f"docker://{place}/one@{pair.build('one')['digest']}", f"docker://{place}/catalogue:latest"], check=True,
    )  # fmt: skip
    said = pair.run("publish", "two", "--unchecked", "--to", place, code=6)
    assert said.stdout.startswith(f"{place}/two@sha256:")
    assert f"the catalogue {host}/{path}/catalogue can't be kept" in said.stderr
    assert "the images are published" in said.stderr
    assert (pair.folder / "images/two/published.toml").exists()


def test_nothing_for_a_dry_run(pair: CommandLine, place: str) -> None:
    assert (
        json.loads(pair.run("publish", "one", "--unchecked", "--to", place, "--dry-run", "--json").stdout)["catalogue"]
        is None
    )
    assert list_tags(f"{place}/catalogue") == []
