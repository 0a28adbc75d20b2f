"""What dpkg wrote down of packages, and what it is told to leave out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.debian.installed import is_left_out, make_finder, parse_list, parse_sums


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("bash.list", "bash:amd64"),
        ("libssl3:arm64.list", "libssl3:arm64"),
        ("libssl3.list", None),
        ("libssl3:i386.list", None),
        ("perl.list", None),
        ("bash.md5sums", None),
    ],
)
def test_lists_and_their_packages(name: str, package: str | None) -> None:
    known = ["bash:amd64", "libssl3:amd64", "libssl3:arm64"]
    find = make_finder(known)
    assert find(f"var/lib/dpkg/info/{name}") == package
    assert find(f"tmp/{name}") is None


def test_lists_and_sums() -> None:
    assert parse_list(b"/.\n/usr\n/usr/b\xff\n\nodd\n") == [".", "usr", "usr/b\udcff"]
    assert parse_sums(b"0123  usr/bin/a  b\nodd\n4567  ./x\n") == {"usr/bin/a  b": "0123", "x": "4567"}


FILTERS = (
    "--path-exclude=/usr/share/x/*",
    "--path-include=/usr/share/x/k?ep*",
    "--path-exclude=*/lost",
    "--path-exclude=/usr/share/[ab].c",
)
FILES = [f"usr/share/{name}" for name in ("x/a", "x/keep", "x/keeper/lost", "a.c", "c.c", "x.y")]


def test_filters_are_dpkgs(tmp_path: Path) -> None:
    """By dpkg itself, which installs a package with them."""
    require(Path("/usr/bin/dpkg-deb").exists(), "dpkg")
    root = tmp_path / "package"
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    subprocess.run(["dpkg-deb", "--build", root, tmp_path / "x.deb"], check=True, capture_output=True)
    target = tmp_path / "target"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (target / folder).mkdir(parents=True)
    (target / "var/lib/dpkg/status").touch()
    options = ["--root", str(target), "--force-not-root", "--force-bad-path", *FILTERS]
    subprocess.run(["dpkg", *options, "--unpack", str(tmp_path / "x.deb")], check=True, capture_output=True)
    installed = [name for name in FILES if (target / name).exists()]
    assert installed == [name for name in FILES if not is_left_out(name, FILTERS)]
