"""The first root file system: the essential packages' files, laid out so that dpkg can run and install them properly.

It is scaffolding. dpkg unpacks every package again over it, so it only has to be good enough for dpkg, the shell and
the maintainer scripts: the files of all packages without documentation, the links of a merged /usr, accounts from
base-passwd's master files, and an empty dpkg database. Engines that build the Dockerfile add it as a tar; the sandbox
lays it out directly. Hard links are preserved: an engine that omits from a layer what equals the layer below would
otherwise never see them.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imagefab.debian.ar import DebError
from imagefab.debian.deb import iter_data
from imagefab.debian.installed import ALIASES, is_left_out
from imagefab.oci.tarfmt import END, encode_node, padding
from imagefab.oci.tree import Kind, Node, parents_of, sort_paths

_LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/")
_ACCOUNTS = {"etc/passwd": "usr/share/base-passwd/passwd.master", "etc/group": "usr/share/base-passwd/group.master"}
_EMPTY = ("var/lib/dpkg/status", "var/lib/dpkg/available")

Files = dict[str, Node]
"""Path → node; a file's content is its `origin`."""


def write_rootfs(packages: Iterable[Path], epoch: int, filters: Sequence[str] = ()) -> bytes:
    """Return the root file system as a tar."""
    files = read_rootfs(packages, epoch, filters)
    parts: list[bytes] = []
    first_names: dict[str, str] = {}
    for path in sort_paths(files):
        node = files[path]
        first = first_names.setdefault(node.inode, path) if node.inode else path
        if first != path:
            parts.append(encode_node(path, node, hard_link=first))
            continue
        parts.append(encode_node(path, node))
        if node.kind == "file":
            parts += [node.origin, padding(node.size)]
    return b"".join([*parts, END])


def read_rootfs(packages: Iterable[Path], epoch: int, filters: Sequence[str] = ()) -> Files:
    files: Files = {}
    for package in packages:
        for path, node in _read_package(package, filters):
            known = files.get(path)
            if known is None or known.kind != "folder":
                files[path] = node
    # Older packages have a folder in the root and no entry for it below /usr, so files show which ones are there.
    folders = {parent for path in files for parent in parents_of(path)}
    aliases = [name for name in ALIASES if f"usr/{name}" in files or f"usr/{name}" in folders]
    files |= {name: Node("link", 0o777, mtime=epoch, target=f"usr/{name}") for name in aliases}
    for path, master in _ACCOUNTS.items():
        if master in files:
            files[path] = replace(files[master], inode=None)
    files |= {path: Node("file", 0o644, mtime=epoch, origin=b"") for path in _EMPTY}
    for path in list(files):
        for parent in parents_of(path):
            node = files.setdefault(parent, Node("folder", 0o755, mtime=epoch))
            if node.kind != "folder":
                # Laying this out follows links, so it would write to where another package's link leads.
                raise DebError(f"a package holds {path}, and {parent} is no folder but a {node.kind} in another one")
    return files


def _read_package(package: Path, filters: Sequence[str]) -> Iterator[tuple[str, Node]]:
    names: dict[str, Node] = {}
    for member, content in iter_data(package):
        path = _place(member.name)
        if path.startswith(_LEFT_OUT) or is_left_out(path, filters):
            continue
        if member.islnk():
            node = _find_first(names, member)
            node.inode = _place(member.linkname)
        else:
            node = _make_node(member, content.read() if content is not None else b"")
        names[path] = node
        yield path, node


def _find_first(names: Mapping[str, Node], member: tarfile.TarInfo) -> Node:
    node = names.get(_place(member.linkname))
    if node is None:
        raise DebError(f"{member.name} is a hard link to {member.linkname}, which is left out of images or not there")
    return node


def _place(path: str) -> str:
    """Return the path of a package's file in a merged /usr, where /bin and the like are links."""
    return f"usr/{path}" if path.startswith(tuple(f"{alias}/" for alias in ALIASES)) else path


def _make_node(member: tarfile.TarInfo, content: bytes) -> Node:
    kind: Kind = "folder" if member.isdir() else "link" if member.issym() else "file"
    return Node(
        kind,
        0o777 if kind == "link" else member.mode & 0o7777,
        member.uid,
        member.gid,
        int(member.mtime),
        size=len(content),
        target=member.linkname if kind == "link" else "",
        origin=content,
    )
