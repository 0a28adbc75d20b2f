"""A root file system as a value, and the canonical difference between two of them.

Engines write layers in their own dialects, with different whiteouts, opaque markers, runtime left-overs and times. None
of that survives here: a raw layer is applied to the tree below it, and the canonical layer is the difference between
the trees before and after. So two engines that produce the same files produce the same layer.

The canonical form drops or normalises:
- times: a file or link that is newer than the epoch was made by the build, and has the time `MADE`; so have all
  folders, since their times only say when something in them was added or removed;
- volatile paths (logs, caches, what runtimes mount or create), which are left out;
- sub-second times, user names, and extended attributes other than file capabilities, which are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from imagefab.errors import EngineError
from imagefab.volatile import is_volatile

Kind = Literal["file", "folder", "link", "char", "block", "fifo"]
Origin = Any
"""Where to read a file's content; opaque to all but whoever made the node."""


@dataclass(slots=True)
class Node:
    """One path's entry. `sha` is set when the content is first read; the rest never changes."""

    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    sha: str = ""
    target: str = ""
    """The target of a symbolic link."""
    device: tuple[int, int] = (0, 0)
    capability: str = ""
    """The security.capability attribute, in hex."""
    origin: Origin = None
    inode: Any = None
    """The same for all names of a hard-linked file in a raw layer; None for a file with one name."""

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


MADE = 315619200
"""The time of what a build makes: 2 January 1980, as zip files have no times before 1980, whatever the time zone.

No lock moves it, so that what is made again the same is the same layer."""

Tree = dict[str, Node]
"""Path without a leading slash → node. The root folder itself is left out."""


@dataclass(slots=True)
class RawLayer:
    """A layer as an engine wrote it."""

    nodes: Tree
    whiteouts: set[str]
    """Paths that the layer removes."""
    opaque: set[str]
    """Folders whose lower content the layer hides."""


@dataclass(slots=True)
class LayerDifference:
    """The content of a canonical layer: changed nodes with all their parent folders, and removed paths."""

    changed: Tree
    removed: tuple[str, ...]


def clamp_time(seconds: int, epoch: int) -> int:
    """A file's time in a layer, within the range of a tar header."""
    return max(0, seconds) if seconds <= epoch else MADE


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def parents_of(path: str) -> Iterator[str]:
    """All parent folders of a path, nearest first, without the root."""
    while path := parent_of(path):
        yield path


def apply_layer(below: Mapping[str, Node], raw: RawLayer) -> Tree:
    """Apply a raw layer to a tree."""
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
            # Some engines let a step make one, others don't, and ordinary users can't unpack such a layer.
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


def find_difference(before: Mapping[str, Node], after: Mapping[str, Node]) -> LayerDifference:
    """The canonical layer between two trees. Files that may have equal content must have their `sha` set."""
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
            changed[parent] = after.get(parent) or Node("folder", 0o755, mtime=MADE)
    return LayerDifference(changed, removed)


def sort_paths(paths: Iterable[str]) -> list[str]:
    """Sort parents before children, the same everywhere: by the bytes of the path's parts."""
    return sorted(paths, key=lambda path: path.encode(errors="surrogateescape").split(b"/"))


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.kind == "folder"
