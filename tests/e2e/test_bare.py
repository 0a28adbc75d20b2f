"""Bare metal: broken images fail for their own reason, and Rust without std boots in good ones."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.command_line import ROOT, CommandLine, list_failures
from tests.e2e.support.kernel_target import NAME, fit_target, read_minor
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

SUPPORT = Path(__file__).parent / "support"

_LOSE_CODES = """\
mv /qemu-runner /real
printf '#!/bin/sh\\n/real "$@" || exit 0\\n' >/qemu-runner
chmod 755 /qemu-runner
"""
BROKEN: dict[str, tuple[str, str, str, str]] = {
    "no emulator": ("thumbv7m-none", "rm /usr/bin/qemu-system-arm", "boot", "qemu-system-arm"),
    "no start": ("thumbv7m-none", "rm /usr/lib/picolibc/*/lib/thumb/v7-m/nofp/crt0-semihost.o", "boot", "crt0"),
    "lost exit codes": ("thumbv7m-none", _LOSE_CODES, "exit-code", "exit code 7 becomes 0"),
    "no firmware": ("x86_64-none", "rm /usr/share/ovmf/OVMF.fd", "boot-uefi", "OVMF.fd"),
    "no debugger": ("x86_64-none", "printf '#!/bin/sh\\n' >/usr/bin/gdb-multiarch", "debug", "exit code"),
}
"""The image, what is done to it, the probe that must fail, and what it says."""
ALSO = {"no emulator": {"exit-code", "c++", "cmake"}, "no start": {"exit-code", "c++", "cmake"}}


@pytest.mark.prove  # what does not begin, or says nothing, is waited for
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_image_is_caught(case: str, warm: CommandLine, project: Callable[[str], Path]) -> None:
    name, change, probe, reason = BROKEN[case]
    recipe = (ROOT / "recipes" / f"{name}.toml").read_text()
    line = warm.at(project(f'{recipe}\n[[run]]\nname = "break it"\nscript = {json.dumps(change)}\n'))
    line.run("lock")
    line.run("build", "probe", "--engine", "sandbox")
    broken = list_failures(line.check("probe", "--engine", "sandbox", code=8))
    assert reason in broken[probe]
    assert set(broken) <= {probe} | ALSO.get(case, set())


@pytest.mark.prove
@pytest.mark.parametrize(
    ("ending", "code"),
    [("ud2", 1), ("movw $0x604, %dx; movw $0x2000, %ax; outw %ax, %dx", 0)],
    ids=["triple fault", "switched off"],
)
def test_how_a_pc_ends(ending: str, code: int, warm: CommandLine, tmp_path: Path) -> None:
    shutil.copy(SUPPORT / "kernel" / "src" / "start.S", tmp_path)
    (tmp_path / "end.S").write_text(f"    .globl main, finish\nmain:\nfinish:\n    {ending}\n1:  jmp 1b\n")
    script = (
        "x86_64-unknown-none-clang start.S end.S -o kernel && QEMU_TIMEOUT=60 /qemu-runner x86_64 kernel || exit $?"
    )
    warm.run("build", "x86_64-none", "--engine", "sandbox")
    command = ("run", "--engine", "sandbox", "--mount", tmp_path, "x86_64-none", "--", "sh", "-c", script)
    warm.run(*command, code=code)


# -- Rust -------------------------------------------------------------------------------------------------------------


def test_this_machines_rustc_takes_the_kernels_target(rust: Rust, tmp_path: Path) -> None:
    path = Path(shutil.copy(SUPPORT / "kernel" / NAME, tmp_path))
    fit_target(path, read_minor(rust.sysroot / "bin" / "rustc"))
    command = [str(rust.sysroot / "bin" / "rustc"), "-Zunstable-options", "--print=cfg", "--target", str(path)]
    done = subprocess.run(
        command, env=rust.environment() | {"RUSTC_BOOTSTRAP": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {'target_os="none"', 'target_pointer_width="64"'} <= set(done.stdout.splitlines())


@pytest.mark.prove
def test_a_kernel_with_a_target_of_its_own(warm: CommandLine, debian_rust: Rust, tmp_path: Path) -> None:
    """-Zbuild-std=core, in the image, without network; `cargo run` boots it."""
    folder = tmp_path / "kernel"
    shutil.copytree(SUPPORT / "kernel", folder)
    fit_target(folder / NAME, read_minor(debian_rust.sysroot / "bin" / "rustc"))
    shutil.copytree(debian_rust.sysroot, folder / "rust", symlinks=True)
    script = 'export PATH="$PATH:$PWD/rust/bin" CARGO_HOME="$PWD/home" RUSTC_BOOTSTRAP=1\ncargo run --offline --quiet\n'
    warm.run("build", "x86_64-none", "--engine", "sandbox")
    options: dict[str, Any] = {"timeout": 600}
    ran = warm.run(
        "run", "--engine", "sandbox", "--mount", folder, "x86_64-none", "--", "sh", "-eu", "-c", script, **options
    )
    assert ran.stdout == "rust says 42\n"
