"""What a step installed, by packages: what each has shipped, and what scripts made of it."""

from __future__ import annotations

import hashlib
import io
from typing import IO

import pytest
from tests.oci.sample_trees import EPOCH, file, folder, link

from imagefab.engines.split import split_step
from imagefab.oci.tree import MADE, Node, Tree, find_difference, parents_of

INFO = "var/lib/dpkg/info"
GROUPS = [("seldom", ["bash:amd64", "dash:amd64"]), ("openssl", ["libssl:amd64", "libssl:arm64"])]


def made(content: bytes) -> Node:
    node = file(content)
    node.mtime = MADE
    return node


def read(node: Node) -> IO[bytes]:
    return io.BytesIO(node.origin)


def whole(files: Tree) -> Tree:
    return {parent: folder() for path in files for parent in parents_of(path)} | files


def split(files: Tree) -> dict[str, set[str]]:
    """The files of each layer of a step that is called `tools`."""
    parts = split_step("tools", find_difference({}, whole(files)), GROUPS, read)
    return {name: {path for path, node in part.changed.items() if node.kind != "folder"} for name, part in parts}


def lists(**packages: str) -> Tree:
    """dpkg's lists of what packages have, and the sums of nothing."""
    return {
        f"{INFO}/{name.replace('_', ':')}.list": made(f"/.\n/usr\n{paths}\n".encode())
        for name, paths in packages.items()
    }


def test_files_go_with_their_packages() -> None:
    found = split(
        lists(bash="/bin/bash\n/usr/share/bash", libssl_amd64="/usr/lib/libssl.so", libssl_arm64="/usr/lib/arm/libssl")
        | {
            "usr/bin/bash": file(b"bash"),
            "usr/share/bash": link("x"),
            "usr/lib/libssl.so": file(b"ssl"),
            "usr/lib/arm/libssl": file(b"arm"),
            f"{INFO}/bash.postinst": file(b"#!"),
            "usr/lib/cache": made(b"cache"),
            "var/lib/dpkg/status": made(b"status"),
            "etc/made": made(b"made"),
        }
    )
    assert found == {
        "tools (seldom)": {"usr/bin/bash", "usr/share/bash", f"{INFO}/bash.list", f"{INFO}/bash.postinst"},
        "tools (openssl)": {
            *("usr/lib/libssl.so", "usr/lib/arm/libssl"),
            *(f"{INFO}/libssl:{architecture}.list" for architecture in ("amd64", "arm64")),
        },
        "tools (other files)": {"usr/lib/cache"},
        "tools": {"var/lib/dpkg/status", "etc/made"},
    }


def test_what_a_script_changed_is_not_its_packages() -> None:
    """A package newer than the lock's archives has files that are newer too: their sums tell."""
    sums = f"{hashlib.md5(b'new').hexdigest()}  usr/bin/new\n".encode()
    found = split(
        lists(bash="/usr/bin/new\n/usr/bin/changed\n/etc/conf")
        | {f"{INFO}/bash.md5sums": file(sums)}
        | {"usr/bin/new": made(b"new"), "usr/bin/changed": made(b"changed"), "etc/conf": made(b"conf")}
    )
    assert "usr/bin/new" in found["tools (seldom)"]
    assert found["tools (other files)"] == {"usr/bin/changed"}
    assert found["tools"] == {"etc/conf"}


def test_what_two_packages_list_is_nobodys() -> None:
    """One of them diverted it, or replaces it."""
    found = split(lists(bash="/usr/bin/sh", dash="/usr/bin/sh\n/usr/bin/dash") | {"usr/bin/sh": file(b"1")})
    assert found["tools (other files)"] == {"usr/bin/sh"}


def test_paths_with_line_breaks_and_packages_of_other_steps() -> None:
    files = {"usr/odd\nname": file(b"1"), "usr/bin/other": file(b"2")}
    found = split(lists(bash="/usr/odd\nname", other="/usr/bin/other") | files)
    assert found["tools (other files)"] == {"usr/odd\nname", "usr/bin/other"}


@pytest.mark.parametrize("odd", [link("/etc/shadow"), folder(), Node("fifo", 0o600), Node("file", 0o644, size=1 << 40)])
def test_lists_that_are_none(odd: Node) -> None:
    """A step may put anything where dpkg keeps its lists. It is not opened."""
    files = {"usr/bin/bash": file(b"1"), "usr/bin/new": made(b"2"), f"{INFO}/bash.list": odd}
    assert "tools (seldom)" not in split(files)
    found = split(
        lists(bash="/usr/bin/bash\n/usr/bin/new")
        | files
        | {f"{INFO}/bash.list": made(b"/usr/bin/new"), f"{INFO}/bash.md5sums": odd}
    )
    assert "usr/bin/new" in found["tools (other files)"]


def test_a_step_without_packages_is_one_layer() -> None:
    difference = find_difference({}, whole({"usr/bin/x": file(b"x")}))
    assert [name for name, _ in split_step("tools", difference, [], read)] == ["tools"]
    assert EPOCH > MADE
