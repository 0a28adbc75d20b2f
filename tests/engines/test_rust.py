"""Rust toolchains of the machine, as folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagefab.engines.rust import find_rust, lacks_std
from imagefab.errors import UsageError
from imagefab.platforms import AMD64

HOST = "x86_64-unknown-linux-gnu"


def make_sysroot(folder: Path, *triples: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    for name in ("cargo", "rustc"):
        (folder / "bin" / name).write_text(f'#!/bin/sh\n[ "$*" = "--print sysroot" ] && echo {folder}\n')
        (folder / "bin" / name).chmod(0o755)
    for triple in triples:
        library = folder / "lib" / "rustlib" / triple / "lib"
        library.mkdir(parents=True)
        (library / "libstd-0123.rlib").write_bytes(b"")
    return folder


def test_a_given_toolchain_is_checked(tmp_path: Path) -> None:
    sysroot = make_sysroot(tmp_path / "rust", HOST)
    assert find_rust(sysroot) == sysroot
    with pytest.raises(UsageError, match="not a Rust toolchain"):
        find_rust(tmp_path)


def test_the_toolchain_of_rustc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sysroot = make_sysroot(tmp_path / "rust", HOST)
    monkeypatch.setenv("PATH", f"{sysroot}/bin:/usr/bin:/bin")
    assert find_rust(None) == sysroot
    (sysroot / "bin" / "rustc").write_text("#!/bin/sh\necho /usr\n")
    assert find_rust(None) is None
    (sysroot / "bin" / "rustc").write_text("#!/bin/sh\nexit 1\n")
    assert find_rust(None) is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_rust(None) is None


def test_the_libraries_of_host_and_target_are_needed(tmp_path: Path) -> None:
    both = make_sysroot(tmp_path / "both", HOST, "aarch64-unknown-linux-gnu")
    assert lacks_std(both, "aarch64-unknown-linux-gnu", AMD64) is None
    assert lacks_std(both, "riscv64gc-unknown-linux-gnu", AMD64) == "riscv64gc-unknown-linux-gnu"
    target = make_sysroot(tmp_path / "target", "aarch64-unknown-linux-gnu")
    assert lacks_std(target, "aarch64-unknown-linux-gnu", AMD64) == HOST


def test_core_is_enough_for_bare_metal(tmp_path: Path) -> None:
    sysroot = make_sysroot(tmp_path / "rust", HOST)
    assert lacks_std(sysroot, "thumbv7m-none-eabi", AMD64) == "thumbv7m-none-eabi"
    library = sysroot / "lib" / "rustlib" / "thumbv7m-none-eabi" / "lib"
    library.mkdir(parents=True)
    (library / "libcore-0123.rlib").write_bytes(b"")
    assert lacks_std(sysroot, "thumbv7m-none-eabi", AMD64) is None
