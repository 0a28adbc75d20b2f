"""Convert between folders and trees: scan an overlay's upper folder, and lay out canonical layers."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import IO, Any

from imagefab.errors import EngineError
from imagefab.files.remove import remove_tree
from imagefab.oci.compress import decompress_member
from imagefab.oci.tarfmt import WHITEOUT, TarEntry, TarReader
from imagefab.oci.tree import MADE, Kind, Node, RawLayer, clamp_time, sort_paths
from imagefab.volatile import is_volatile

_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}
_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_CAPABILITY = "security.capability"


# -- upper folder → raw layer -----------------------------------------------------------------------------------------


def scan_upper(upper: str, below: Mapping[str, Node], epoch: int) -> RawLayer:
    """Read an overlay's upper folder, hashing files that may be the same as in the layer below."""
    raw = RawLayer({}, set(), set())
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{upper}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.startswith(WHITEOUT) and not is_volatile(path):
                    raise EngineError(f"a step made /{path}, a name that layers reserve for removed files")
                status = entry.stat(follow_symlinks=False)
                kind = _KINDS.get(stat.S_IFMT(status.st_mode))
                if kind is None:  # a socket, which is useless without its process
                    continue
                if kind == "char" and status.st_rdev == 0:
                    raw.whiteouts.add(path)
                    continue
                if kind == "folder":
                    pending.append(path)
                    if _is_opaque(entry.path):
                        raw.opaque.add(path)
                raw.nodes[path] = _make_node(entry.path, kind, status, below.get(path), epoch)
    return raw


def _make_node(path: str, kind: Kind, status: os.stat_result, lower: Node | None, epoch: int) -> Node:
    node = Node(
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        MADE if kind == "folder" else clamp_time(status.st_mtime_ns // 10**9, epoch),
    )
    if kind == "file":
        node.size = status.st_size
        node.origin = path
        node.capability = _read_attribute(path, _CAPABILITY).hex()
        if status.st_nlink > 1:
            node.inode = status.st_ino
        if lower is not None and lower.kind == "file" and lower.size == node.size:
            with open(path, "rb") as file:
                node.sha = hashlib.file_digest(file, "sha256").hexdigest()
    elif kind == "link":
        node.target = os.readlink(path)
        node.mode = 0o777
    elif kind in ("char", "block"):
        node.device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return node


def _is_opaque(path: str) -> bool:
    return any(_read_attribute(path, name) == b"y" for name in _OPAQUE)


def _read_attribute(path: str, name: str) -> bytes:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES):
            return b""
        raise


def open_origin(node: Node) -> IO[bytes]:
    return open(node.origin, "rb")


# -- canonical layer → folder -----------------------------------------------------------------------------------------


def unpack_layer(path: Path, members: list[int], root: str, executor: Executor, *, alone: bool = False) -> None:
    """Unpack a canonical layer over a folder, or alone into an empty one, as an overlay's lower folder.

    Its entries are checked: none leads out of the folder.
    """
    reader = TarReader(_decompress(path, members, executor))
    folders: list[tuple[str, int]] = []
    for entry in reader.entries():
        _make_entry(root, entry, reader, alone=alone)
        if entry.node.kind == "folder":
            folders.append((f"{root}/{entry.path}", entry.node.mtime))
    for folder, mtime in reversed(folders):
        os.utime(folder, (mtime, mtime))


def _decompress(path: Path, members: list[int], executor: Executor) -> Iterator[bytes]:
    pending: deque[Future[bytes]] = deque()
    with path.open("rb") as file:
        for size in members:
            pending.append(executor.submit(decompress_member, file.read(size)))
            if len(pending) > 4:
                yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _make_entry(root: str, entry: TarEntry, reader: TarReader, *, alone: bool) -> None:
    folder, _, name = entry.path.rpartition("/")
    path = f"{root}/{entry.path}"
    if name.startswith(WHITEOUT):
        removed = f"{root}/{folder}/{name.removeprefix(WHITEOUT)}"
        if alone:
            os.mknod(removed, stat.S_IFCHR, os.makedev(0, 0))
        else:
            _remove(removed)
        return
    node = entry.node
    if node.kind == "folder":
        make_folder(path, node)
        return
    if os.path.lexists(path):
        _remove(path)
    if entry.hard_link is not None:
        os.link(f"{root}/{entry.hard_link}", path, follow_symlinks=False)
        return
    make_node(path, node, reader.content())


def lay_out_tree(tree: Mapping[str, Node], root: str) -> None:
    """Write a tree to disk; the contents are in its nodes' origins."""
    first_names: dict[Any, str] = {}
    for path in sort_paths(tree):
        node = tree[path]
        first = first_names.setdefault(node.inode, path) if node.inode is not None else path
        if node.kind == "folder":
            make_folder(f"{root}/{path}", node)
        elif first != path:
            os.link(f"{root}/{first}", f"{root}/{path}")
        else:
            make_node(f"{root}/{path}", node, (node.origin,))


def make_folder(path: str, node: Node) -> None:
    try:
        os.mkdir(path, node.mode)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, node.mode)
    if node.uid or node.gid:
        os.chown(path, node.uid, node.gid)
    os.chmod(path, node.mode)


def make_node(path: str, node: Node, content: Iterable[memoryview | bytes]) -> None:
    """Make anything but a folder, at a path where nothing is."""
    match node.kind:
        case "file":
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                for piece in content:
                    while len(piece):
                        piece = piece[os.write(descriptor, piece) :]  # noqa: PLW2901
                if node.uid or node.gid:
                    os.fchown(descriptor, node.uid, node.gid)
                os.fchmod(descriptor, node.mode)
                if node.capability:
                    os.setxattr(descriptor, _CAPABILITY, bytes.fromhex(node.capability))
                os.utime(descriptor, (node.mtime, node.mtime))
            finally:
                os.close(descriptor)
            return
        case "link":
            os.symlink(node.target, path)
        case "fifo":
            os.mkfifo(path, node.mode)
        case _:
            raise ValueError(f"a device file in a layer: {path}")
    os.chown(path, node.uid, node.gid, follow_symlinks=False)
    if node.kind == "fifo":
        os.chmod(path, node.mode)  # mkfifo applies the umask
    os.utime(path, (node.mtime, node.mtime), follow_symlinks=False)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        remove_tree(path)
    else:
        os.unlink(path)
