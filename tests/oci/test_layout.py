"""Layout folders and archives: valid by their own digests, and complete or not there."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.oci.sample_trees import EPOCH, add_layer, file, folder

from imagefab.digest import Digest
from imagefab.errors import UsageError
from imagefab.oci.image import CONFIG, INDEX, LAYER, MANIFEST, ImageSet, make_image
from imagefab.oci.layout import write_archive, write_layout
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.store.store import Store


def images(store: Store, name: str = "one", *platforms: HostPlatform) -> ImageSet:
    base = add_layer(store, Digest.of_bytes(b"base"), {"etc": folder(), "etc/x": file(b"shared")})
    made = []
    for platform in platforms or (AMD64,):
        own = add_layer(
            store, Digest.of_bytes(f"{name} {platform}".encode()), {"own": file(f"{name} {platform}".encode())}
        )
        made.append(make_image(platform, [base, own], epoch=EPOCH, env=(), labels=(), command=("sh",)))
    return ImageSet(recipe=name, images=tuple(made))


def read_blob(folder: Path, descriptor: dict[str, Any]) -> bytes:
    """What a descriptor leads to, checked as any reader of layouts would."""
    data: bytes = (folder / "blobs" / "sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
    assert str(Digest.of_bytes(data)) == descriptor["digest"]
    assert descriptor["size"] == len(data)
    return data


def walk(folder: Path) -> list[str]:
    """Every descriptor that can be reached; also sees to it that nothing else is there."""
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    pending = list(json.loads((folder / "index.json").read_bytes())["manifests"])
    seen = []
    while pending:
        descriptor = pending.pop()
        seen.append(descriptor["digest"])
        data = read_blob(folder, descriptor)
        if descriptor["mediaType"] == INDEX:
            pending += json.loads(data)["manifests"]
        elif descriptor["mediaType"] == MANIFEST:
            manifest = json.loads(data)
            pending += [manifest["config"], *manifest["layers"]]
        else:
            assert descriptor["mediaType"] in (CONFIG, LAYER)
    assert {path.name for path in (folder / "blobs" / "sha256").iterdir()} == {d.removeprefix("sha256:") for d in seen}
    assert {path.name for path in folder.iterdir()} == {"oci-layout", "index.json", "blobs"}
    return seen


def test_a_layout_holds_all_that_it_names(store: Store, tmp_path: Path) -> None:
    one, two = images(store, "one", AMD64, ARM64), images(store, "two")
    write_layout([one, two], tmp_path / "out", store)
    seen = walk(tmp_path / "out")
    assert {str(one.digest), str(two.digest)} <= set(seen)
    entries = json.loads((tmp_path / "out" / "index.json").read_bytes())["manifests"]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries] == ["one", "two"]


def test_existing_layouts_are_not_replaced(store: Store, tmp_path: Path) -> None:
    write_layout([images(store, "one")], tmp_path / "out", store)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    before = (tmp_path / "out" / "index.json").read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        write_layout([images(store, "two")], tmp_path / "out", store)
    assert (tmp_path / "out" / "index.json").read_bytes() == before
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "store"}


def test_an_empty_folder_becomes_a_layout(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_layout([images(store)], Path(), store)
    walk(tmp_path / "out")


def test_a_link_to_a_folder_stays_a_link(store: Store, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    write_layout([images(store)], tmp_path / "out", store)
    assert (tmp_path / "out").is_symlink()
    walk(tmp_path / "real")


def test_folders_above_are_made(store: Store, tmp_path: Path) -> None:
    write_layout([images(store)], tmp_path / "a" / "b", store)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("what", ["folder", "file"])
def test_folders_of_others_are_refused(store: Store, tmp_path: Path, what: str) -> None:
    foreign = tmp_path / "out"
    if what == "folder":
        foreign.mkdir()
        foreign = foreign / "letter.txt"
    foreign.write_text("dear")
    with pytest.raises(UsageError) as caught:
        write_layout([images(store)], tmp_path / "out", store)
    assert caught.value.hint
    assert foreign.read_text() == "dear"
    assert {path.name for path in tmp_path.iterdir()} == {"out", "store"}


def test_nothing_half_written_when_a_blob_is_missing(store: Store, tmp_path: Path) -> None:
    one, two = images(store, "one"), images(store, "two")
    store.drop_blob(two.images[0].layers[1].digest)
    with pytest.raises(FileNotFoundError):
        write_layout([one, two], tmp_path / "out", store)
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def test_an_archive_is_a_layout_and_what_docker_loads(store: Store, tmp_path: Path) -> None:
    (image,) = images(store).images
    out = io.BytesIO()
    write_archive(image, "localhost/x:latest", store, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        tar.extractall(tmp_path / "x", filter="data")
    (entry,) = json.loads((tmp_path / "x" / "manifest.json").read_bytes())
    assert entry["RepoTags"] == ["localhost/x:latest"]
    assert Digest.of_bytes((tmp_path / "x" / entry["Config"]).read_bytes()) == image.config_digest
    assert [Digest.of_bytes((tmp_path / "x" / name).read_bytes()) for name in entry["Layers"]] == [
        layer.digest for layer in image.layers
    ]
    (tmp_path / "x" / "manifest.json").unlink()
    assert str(image.digest) in walk(tmp_path / "x")


def test_an_archive_has_each_blob_once(store: Store) -> None:
    base = add_layer(store, Digest.of_bytes(b"base"), {"x": file()})
    out = io.BytesIO()
    write_archive(make_image(AMD64, [base, base], epoch=0, env=(), labels=(), command=()), "x", store, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
