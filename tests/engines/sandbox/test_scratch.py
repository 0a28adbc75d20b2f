"""Where scratch space is put, tried on real file systems in a mount namespace of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.machine import require


@pytest.fixture(autouse=True)
def as_root() -> None:
    require(os.geteuid() == 0, "root, to mount")


PROGRAM = """
import os, sys
from imagefab.engines.sandbox.kernel import MS_NODEV, keep_mounts_private, mount, unshare, CLONE_NEWNS
from imagefab.engines.sandbox.scratch import Overlay, Scratch

kind, prefer_disk, memory, plain_attributes, folder = sys.argv[1:]
unshare(CLONE_NEWNS)
keep_mounts_private()
os.makedirs(folder)
if kind == "tmpfs":
    mount("tmpfs", folder, "tmpfs", 0, None)
elif kind == "overlay":
    mount("tmpfs", folder, "tmpfs", 0, None)
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{folder}/{name}")
    options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
    mount("overlay", f"{folder}/merged", "overlay", 0, options)
    folder = f"{folder}/merged"
if plain_attributes == "no":
    # As in a kernel whose tmpfs has none for whoever asks: the first place that is tried lacks them.
    setxattr, tried = os.setxattr, []
    def refuse(path, name, value):
        tried.append(path)
        if len(tried) == 1:
            raise OSError(95, "Operation not supported")
        setxattr(path, name, value)
    os.setxattr = refuse
os.mkdir(f"{folder}/odd, name: x")
scratch = Scratch(f"{folder}/odd, name: x", int(memory), prefer_disk=prefer_disk == "yes")
overlay = Overlay(scratch)
upper = scratch.make("upper")
mount("overlay", str(overlay.root), "overlay", MS_NODEV, overlay.options(upper))
(overlay.root / "file").touch()
assert (upper / "file").exists()
print("memory" if scratch.in_memory else "disk", scratch.is_full())
"""


def place(folder: Path, kind: str, *, prefer_disk: bool, memory: int = 1 << 28, attributes: bool = True) -> str:
    words = [kind, "yes" if prefer_disk else "no", str(memory), "yes" if attributes else "no", str(folder / "place")]
    result = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    return result.stdout.strip() or result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("kind", ["plain", "tmpfs", "overlay"])
def test_memory_first(kind: str, tmp_path: Path) -> None:
    assert place(tmp_path, kind, prefer_disk=False) == "memory False"


@pytest.mark.parametrize(("kind", "found"), [("plain", "disk"), ("tmpfs", "disk"), ("overlay", "memory")])
def test_disk_first_where_it_can_hold_overlays(kind: str, found: str, tmp_path: Path) -> None:
    assert place(tmp_path, kind, prefer_disk=True) == f"{found} False"


def test_memory_without_attributes(tmp_path: Path) -> None:
    assert place(tmp_path, "plain", prefer_disk=False, attributes=False) == "disk False"


def test_no_memory_at_all(tmp_path: Path) -> None:
    assert place(tmp_path, "plain", prefer_disk=False, memory=0) == "disk False"
    assert "can hold overlays; use a store on another disk" in place(
        tmp_path / "other", "overlay", prefer_disk=False, memory=0
    )


def test_full(tmp_path: Path) -> None:
    assert place(tmp_path, "plain", prefer_disk=False, memory=1 << 20) == "memory True"
