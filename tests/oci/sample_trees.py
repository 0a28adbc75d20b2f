"""Small trees and layers for tests: nodes whose content is at hand, and a way to write them."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from hypothesis import strategies as st

from imagefab.digest import Digest
from imagefab.oci.layer import Layer, LayerFile, record_step, write_layers
from imagefab.oci.tree import MADE, LayerDifference, Node, Tree, find_difference
from imagefab.store.store import Store

EPOCH = 1_700_000_000


def file(content: bytes = b"", mode: int = 0o644, **more: object) -> Node:
    sha = hashlib.sha256(content).hexdigest()
    return Node("file", mode, mtime=EPOCH, size=len(content), sha=sha, origin=content, **more)  # type: ignore[arg-type]


def folder(mode: int = 0o755) -> Node:
    return Node("folder", mode, mtime=MADE)


def link(target: str) -> Node:
    return Node("link", 0o777, mtime=EPOCH, target=target)


def read_content(node: Node) -> IO[bytes]:
    return io.BytesIO(node.origin)


def write(difference: LayerDifference) -> tuple[LayerFile, bytes]:
    """The canonical layer of a difference, and its compressed bytes."""
    with tempfile.TemporaryDirectory() as folder:
        layer = write_file(difference, Path(folder))
        assert layer.path is not None
        return layer, layer.path.read_bytes()


def write_file(difference: LayerDifference, folder: Path, name: str = "base") -> LayerFile:
    with ThreadPoolExecutor(2) as pool:
        (layer,) = write_layers([(name, difference)], read_content, folder, pool, lambda content: None)
    return layer


def add_layer(
    store: Store, key: Digest, after: Mapping[str, Node], before: Mapping[str, Node] | None = None, name: str = "base"
) -> Layer:
    """A layer in a store, recorded under a key, for which there is no other."""
    folder = Path(tempfile.mkdtemp(dir=store.scratch_folder()))
    (layer,) = record_step(store, key, [write_file(find_difference(before or {}, after), folder, name)])
    return layer


# -- random trees -----------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "c-", "é", "\udc80", "a b", ".x"])
_leaves = st.one_of(
    st.builds(file, st.sampled_from([b"", b"1", b"2", b"longer"]), st.sampled_from([0o644, 0o4755])),
    st.builds(link, st.sampled_from(["a", "../b", "/é"])),
    st.just(Node("fifo", 0o600, mtime=EPOCH)),
)


def _flatten(nested: Mapping[str, Any], above: str = "") -> Tree:
    tree: Tree = {}
    for name, value in nested.items():
        path = f"{above}{name}"
        if isinstance(value, dict):
            tree[path] = folder(0o700 if len(value) > 2 else 0o755)
            tree |= _flatten(value, f"{path}/")
        else:
            tree[path] = value
    return tree


def trees() -> st.SearchStrategy[Tree]:
    """Trees with all their folders, out of so few names that two of them have much in common."""
    nested = st.recursive(_leaves, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)
    return st.dictionaries(NAMES, nested, max_size=4).map(lambda drawn: _flatten(drawn, ""))
