"""A root file system as a value, and the canonical difference between two of them.

Engines hand back layers in their own dialects: other whiteouts, other markers in new folders, other left-overs of the
runtime, other times. None of that survives here: a raw layer is applied to the tree below it, and the canonical layer
is the difference between the tree before and the tree after. Two engines that produce the same files thereby
produce the same layer, however they wrote it down.

What the canonical form leaves out or evens out:
- times of files and links are clamped to the epoch; folders always have the epoch (their times only say when
  something in them came and went);
- volatile paths (logs, caches, what runtimes mount or create) do not exist;
- sub-second times, user names, and extended attributes other than file capabilities are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from imagefab.errors import EngineError
from imagefab.volatile import is_volatile

Kind = Literal["file", "folder", "link", "char", "block", "fifo"]
Origin = Any
"""Where a file's content is to be read; only whoever made the node knows what it means."""


@dataclass(slots=True)
class Node:
    """One path's entry. `sha` is filled in when the content is first read; the rest never changes."""

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    sha: str = ""
    target: str = ""
    """Of a symbolic link."""
    device: tuple[int, int] = (0, 0)
    capability: str = ""
    """The security.capability attribute, in hex."""
    origin: Origin = None
    inode: Any = None
    """Equal for the names of one hard-linked file within a raw layer; None when there is one name only."""

    def row(self) -> list[Any]:
        return [
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            self.mtime,
            self.size,
            self.sha,
            self.target,
            list(self.device),
            self.capability,
        ]

    @classmethod
    def from_row(cls, row: list[Any]) -> Node:
        kind, mode, uid, gid, mtime, size, sha, target, device, capability = row
        return cls(kind, mode, uid, gid, mtime, size, sha, target, (device[0], device[1]), capability)


Tree = dict[str, Node]
"""Path without a leading slash → node. The root folder itself is not in it."""


@dataclass(slots=True)
class RawLayer:
    """A layer as an engine left it."""

    nodes: Tree
    whiteouts: set[str]
    """Paths that the layer removes."""
    opaque: set[str]
    """Folders whose lower content the layer hides."""


@dataclass(slots=True)
class LayerDifference:
    """What a canonical layer holds: changed nodes with all folders above them, and removed paths."""

    changed: Tree
    removed: tuple[str, ...]


def clamp_time(seconds: int, epoch: int) -> int:
    """A file's time as a layer has it: none after the epoch, and none that a tar header has no digits for."""
    return max(0, min(seconds, epoch))


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def parents_of(path: str) -> Iterator[str]:
    """All folders above a path, the nearest first, without the root."""
    while path := parent_of(path):
        yield path


def apply_layer(below: Mapping[str, Node], raw: RawLayer) -> Tree:
    """The tree after a raw layer."""
    replaced = {path for path, node in raw.nodes.items() if node.kind != "folder" and _is_folder(below.get(path))}
    hidden = raw.whiteouts | replaced
    after: Tree = {}
    if hidden or raw.opaque:
        for path, node in below.items():
            above = list(parents_of(path))
            if path in hidden or any(p in hidden or p in raw.opaque for p in above):
                continue
            after[path] = node
    else:
        after.update(below)
    for path, node in raw.nodes.items():
        if is_volatile(path):
            continue
        if node.kind in ("char", "block"):
            # Some engines let a step make one, others don't, and an ordinary user can't lay out such a layer.
            raise EngineError(
                f"a step made a device file at /{path}", hint="images have no devices: the engine provides /dev"
            )
        after[path] = node
    return after


def same_node(one: Node, other: Node) -> bool:
    return (
        one.kind == other.kind
        and one.mode == other.mode
        and one.uid == other.uid
        and one.gid == other.gid
        and one.mtime == other.mtime
        and one.size == other.size
        and one.target == other.target
        and one.device == other.device
        and one.capability == other.capability
        and one.sha == other.sha
    )


def find_difference(before: Mapping[str, Node], after: Mapping[str, Node], epoch: int) -> LayerDifference:
    """The canonical layer that leads from one tree to the other. Contents that may be equal must have their sha."""
    changed: Tree = {}
    for path, node in after.items():
        lower = before.get(path)
        if lower is None or not (lower is node or same_node(lower, node)):
            changed[path] = node
    removed = tuple(
        sorted(
            path
            for path in before
            if path not in after and (not (parent := parent_of(path)) or _is_folder(after.get(parent)))
        )
    )
    for path in [*changed, *removed]:
        for parent in parents_of(path):
            if parent in changed:
                break
            changed[parent] = after.get(parent) or Node("folder", 0o755, mtime=epoch)
    return LayerDifference(changed, removed)


def sort_paths(paths: Iterable[str]) -> list[str]:
    """Parents before children, the same everywhere: by the bytes of the path's parts."""
    return sorted(paths, key=lambda path: path.encode(errors="surrogateescape").split(b"/"))


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.kind == "folder"
