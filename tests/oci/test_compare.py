"""Comparing images: differences of content, compression and configuration; and what is no image."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagefab.digest import Digest
from imagefab.flows.verify import compare_content
from imagefab.oci.compare import DifferenceKind, bound_content, compare_layers, find_difference
from imagefab.oci.parts import BadImageError, LayoutSource
from imagefab.store.store import Store

Change = Callable[[bytes], bytes]


def make_tar(**files: tuple[bytes, int, int]) -> bytes:
    """Files with their content, mode and owner."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, (content, mode, owner) in files.items():
            info = tarfile.TarInfo(f"opt/{name}")
            info.size, info.mode, info.uid, info.mtime = len(content), mode, owner, 1000
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def write_layout(folder: Path, *layers: bytes, env: tuple[str, ...] = ("A=1",), level: int = 6) -> LayoutSource:
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    packed = [put(gzip.compress(layer, level, mtime=0)) for layer in layers]
    config = put(
        json.dumps(
            {
                "os": "linux",
                "architecture": "amd64",
                "config": {"Env": list(env)},
                "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
                "history": [{"created_by": f"imagefab: layer{number}"} for number in range(len(layers))],
            }
        ).encode()
    )
    manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": packed}).encode())
    (folder / "index.json").write_text(json.dumps({"manifests": [manifest]}))
    (folder / "oci-layout").write_text("{}")
    return LayoutSource(folder)


BASE = make_tar(base=(b"base", 0o644, 0))
TOP = make_tar(same=(b"same", 0o644, 0), file=(b"one", 0o644, 0), gone=(b"", 0o644, 0))


@pytest.fixture
def image(tmp_path: Path) -> LayoutSource:
    return write_layout(tmp_path / "image", BASE, TOP)


def compare(one: LayoutSource, other: LayoutSource) -> Any:
    return find_difference(one.images["linux/amd64"], other.images["linux/amd64"])


def test_the_same(image: LayoutSource, tmp_path: Path) -> None:
    assert compare(image, write_layout(tmp_path / "other", BASE, TOP)) is None


def test_only_compression(image: LayoutSource, tmp_path: Path) -> None:
    found = compare(image, write_layout(tmp_path / "other", BASE, TOP, level=1))
    assert (found.kind, found.layer, found.name) == (DifferenceKind.COMPRESSION, 0, "layer0")


def test_content(image: LayoutSource, tmp_path: Path) -> None:
    """What is another, what is new, what is gone, and who has it."""
    top = make_tar(same=(b"same", 0o600, 7), file=(b"two", 0o644, 0), new=(b"", 0o644, 0))
    other = write_layout(tmp_path / "other", BASE, top)
    found = compare(image, other)
    assert (found.kind, found.layer, found.name) == (DifferenceKind.CONTENT, 1, "layer1")
    mine, theirs = (one.images["linux/amd64"].layers[1] for one in (image, other))
    store = Store(tmp_path / "store")
    files = {file.path: file.what for file in compare_content(mine, image, theirs, other, store)}
    store.close()
    contents = [hashlib.sha256(text).hexdigest()[:12] for text in (b"one", b"two")]
    assert files == {
        "opt/file": f"content {contents[0]} here, {contents[1]} there",
        "opt/gone": "only here",
        "opt/new": "only there",
        "opt/same": "mode 0644 here, 0600 there; owner 0:0 here, 7:0 there",
    }


def test_configuration(image: LayoutSource, tmp_path: Path) -> None:
    found = compare(image, write_layout(tmp_path / "other", BASE, TOP, env=("A=2", "B=1")))
    assert found.kind is DifferenceKind.METADATA
    assert found.details == ("config.Env.A: 1 here, 2 there", "config.Env.B: nothing here, 1 there")


def test_more_layers(image: LayoutSource, tmp_path: Path) -> None:
    found = compare(image, write_layout(tmp_path / "other", BASE, TOP, BASE))
    assert (found.kind, found.layer, found.name) == (DifferenceKind.LAYERS, 2, "layer2")


def test_a_layer_that_unpacks_without_end(image: LayoutSource) -> None:
    mine = image.images["linux/amd64"].layers[0]
    info = tarfile.TarInfo("opt/bomb")
    info.size = 8 << 30
    bomb = gzip.compress(info.tobuf() + bytes(64 << 20), mtime=0)
    assert bound_content(mine, mine) > 1 << 30
    with pytest.raises(BadImageError, match="far more"):
        compare_layers(io.BytesIO(gzip.compress(BASE)), io.BytesIO(bomb), most=1 << 20)


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"no tar" * 1000), gzip.compress(TOP)[:-20]],
    ids=["nothing", "no gzip", "no tar", "half"],
)
def test_broken_layers(data: bytes) -> None:
    with pytest.raises(BadImageError):
        compare_layers(io.BytesIO(gzip.compress(BASE)), io.BytesIO(data), most=1 << 30)


def odd_tar(**headers: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("opt/file")
        info.pax_headers = headers
        tar.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


@pytest.mark.parametrize(
    "headers",
    [
        {"mtime": "nan"},
        {"mtime": "inf"},
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.size": str(1 << 45)},
    ],
    ids=str,
)
def test_unusual_entries(headers: dict[str, str]) -> None:
    """They are refused, or are only odd; and it ends."""
    with contextlib.suppress(BadImageError):
        compare_layers(io.BytesIO(gzip.compress(BASE)), io.BytesIO(odd_tar(**headers)), most=1 << 30)


def test_garbage_behind_a_good_manifest(image: LayoutSource) -> None:
    layer = image.images["linux/amd64"].layers[1]
    image.look(layer)
    path = Path(image.name) / "blobs/sha256" / layer.digest.hex
    path.write_bytes(b"garbage")
    with pytest.raises(BadImageError):
        image.look(layer)
    path.unlink()
    with pytest.raises(BadImageError):
        image.look(layer)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("index.json", lambda _: b"{"),
        ("index.json", lambda _: b"[]"),
        ("index.json", lambda _: b'{"manifests": []}'),
        ("index.json", lambda _: b'{"manifests": [{"digest": "sha256:x"}]}'),
        ("index.json", lambda _: b'{"manifests": [{"digest": 7}, {"digest": 8}]}'),
        ("manifest", lambda data: data + b" "),
        ("manifest", lambda _: b""),
        ("config", lambda data: data[:-1]),
    ],
)
def test_broken_layouts(name: str, change: Change, image: LayoutSource, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(image.name, tmp_path / "broken"))
    parts = image.images["linux/amd64"]
    digests: dict[str, Digest] = {"manifest": parts.digest, "config": parts.config}
    path = folder / "blobs/sha256" / digests[name].hex if name in digests else folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadImageError):
        LayoutSource(folder)
