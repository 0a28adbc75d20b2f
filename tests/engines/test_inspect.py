"""Findings about the machine: emulators, versions of programs, errors of Podman and their fixes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagefab.engines.engine import Finding
from imagefab.engines.inspect import inspect_emulation, judge_buildx, mend_podman
from imagefab.platforms import AMD64, ARM64


def register(folder: Path, name: str, interpreter: str, *, flags: str = "PF", state: str = "enabled") -> None:
    (folder / name).write_text(f"{state}\ninterpreter {interpreter}\nflags: {flags}\noffset 0\nmagic 7f454c46\n")


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    (tmp_path / "register").touch()
    (tmp_path / "status").write_text("enabled\n")
    register(tmp_path, "python3.11", "/usr/bin/python3.11", flags="")
    return tmp_path


def inspect(binfmt: Path) -> Finding:
    return inspect_emulation(ARM64, machine=AMD64, binfmt=binfmt)


def test_its_own_programs(tmp_path: Path) -> None:
    assert inspect_emulation(AMD64, machine=AMD64, binfmt=tmp_path).detail == "native"


def test_where_it_is_not_mounted(tmp_path: Path) -> None:
    found = inspect(tmp_path)
    assert not found.ok
    assert found.fix.startswith("mount -t binfmt_misc")


def test_nothing_for_it(binfmt: Path) -> None:
    found = inspect(binfmt)
    assert not found.ok
    assert "aarch64" in found.detail
    assert "update-binfmts --enable qemu-aarch64" in found.fix


@pytest.mark.parametrize(
    ("name", "interpreter"),
    [
        ("qemu-aarch64", "/usr/libexec/qemu-binfmt/aarch64-binfmt-P"),
        ("qemu-aarch64", "/usr/bin/qemu-aarch64-static"),
        ("cross-arm64", "/usr/bin/qemu-aarch64"),
        ("cross-arm64", "/usr/bin/qemu-aarch64-static"),
    ],
)
@pytest.mark.parametrize("flags", ["F", "PF", "POCF"])
def test_one_for_it(binfmt: Path, name: str, interpreter: str, flags: str) -> None:
    register(binfmt, name, interpreter, flags=flags)
    assert inspect(binfmt).ok
    assert name in inspect(binfmt).detail


def test_one_that_cannot_be_found_inside_an_image(binfmt: Path) -> None:
    register(binfmt, "qemu-aarch64", "/usr/bin/qemu-aarch64", flags="OC")
    assert not inspect(binfmt).ok
    assert "flag F" in inspect(binfmt).detail


def test_one_that_is_switched_off(binfmt: Path) -> None:
    register(binfmt, "qemu-aarch64", "/usr/bin/qemu-aarch64-static", state="disabled")
    assert "no emulator is registered" in inspect(binfmt).detail


def test_one_for_machines_with_a_like_name(binfmt: Path) -> None:
    register(binfmt, "qemu-aarch64_be", "/usr/bin/qemu-aarch64_be-static")
    register(binfmt, "qemu-arm", "/usr/bin/qemu-arm-static")
    assert not inspect(binfmt).ok


# -- engines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "ok", "detail"),
    [
        ("github.com/docker/buildx 0.13.1+ds1 ", True, "0.13.1+ds1"),
        ("github.com/docker/buildx v0.10.0 876462897612d36679153c3414f7689626251501", True, "v0.10.0"),
        ("github.com/docker/buildx v1.2.0-desktop.1 abc", True, "v1.2.0-desktop.1"),
        ("github.com/docker/buildx v0.9.1 ed00243a0ce2a0aee75311b06e32d33b44729689", False, "v0.9.1 is too old: 0.10"),
        ("github.com/docker/buildx v0.5.1-docker 11057da", False, "v0.5.1-docker is too old"),
        ("buildx devel", True, "devel"),
        ("strange", True, "strange"),
        (None, False, "no buildx plugin"),
    ],
)
def test_buildx(said: str | None, ok: bool, detail: str) -> None:
    found = judge_buildx(said)
    assert found.ok is ok
    assert detail in found.detail
    assert "docker-buildx" in found.fix


@pytest.mark.parametrize(
    ("log", "fix"),
    [
        ("Error: kernel does not support overlay fs: 'overlay' is not supported over overlayfs", "fuse-overlayfs"),
        ("crun: the requested cgroup controller `pids` is not available", "runc"),
        ('error running container: exec: "crun": executable file not found in $PATH', "runc"),
        ("Error: default OCI runtime crun not found: invalid argument", "runc"),
        ("potentially insufficient UIDs or GIDs available in user namespace", "podman system migrate"),
        ("Error: building at STEP: while running runtime: exit status 22", "podman system migrate"),
        ("cannot clone: Operation not permitted", "sysctl|user namespaces"),
        ("write /var/lib/x: no space left on device", "podman system df"),
        ("something nobody has seen before", "podman info"),
    ],
)
def test_fixes_for_podman(log: str, fix: str) -> None:
    assert re.search(fix, mend_podman(log, "podman"))
