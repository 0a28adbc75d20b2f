"""Layers that would lead out of the folder that they are unpacked into: nothing outside of it is touched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.oci.sample_trees import file, folder, link
from tests.oci.test_verify import pack

from imagefab.engines.sandbox.files import unpack_layer
from imagefab.oci.tarfmt import END, TarError, encode_node
from imagefab.oci.tree import Node


@pytest.mark.parametrize(
    "entries",
    [
        [("../outside/x", file())],
        [("{outside}/x", file())],
        [("below/x", file())],
        [("in", link("{outside}")), ("in/x", file())],
        [("in", link("{outside}")), ("in/x", folder())],
        [("x", file())],
        [("../outside/.wh.kept", file())],
        [("below/.wh.kept", file())],
    ],
    ids=["upwards", "absolute", "link below", "link", "folder", "hard link", "whiteout", "whiteout by a link below"],
)
def test_nothing_outside_is_touched(
    entries: list[tuple[str, Node]], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for one in (root, outside):
        one.mkdir()
    (outside / "kept").write_text("kept")
    (root / "below").symlink_to(outside)
    for _, node in entries:
        node.target = node.target.format(outside=outside)
    target = "below/kept" if "hard link" in request.node.name else None
    plain = b"".join(encode_node(path.format(outside=outside), node, target) for path, node in entries) + END
    layer, packed = pack(plain)
    (tmp_path / "layer").write_bytes(packed)
    with ThreadPoolExecutor(1) as pool, pytest.raises(TarError):
        unpack_layer(tmp_path / "layer", list(layer.members), str(root), pool)
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("kept", "kept")]
    assert (outside / "kept").stat().st_nlink == 1
