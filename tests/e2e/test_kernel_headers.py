"""A sys crate that includes the kernel's headers, in an image for musl, whose own packages do not bring any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

TRIPLE = "aarch64-unknown-linux-musl"


def test_a_crate(warm: CommandLine, debian_rust: Rust, tmp_path: Path) -> None:
    crate = Path(shutil.copytree(Path(__file__).parent / "support/keyboard", tmp_path / "keyboard"))
    warm.run("build", "aarch64-musl", "--engine", "sandbox")
    script = (
        'export PATH="$PATH:/rust/bin" CARGO_HOME=/tmp/cargo CARGO_TARGET_DIR=/tmp/target\n'
        f"cargo run --offline --quiet --target {TRIPLE}\n"
    )
    bind = f"--bind={debian_rust.sysroot}:/rust"
    words = ("run", "--engine", "sandbox", "--mount", crate, bind, "aarch64-musl", "--", "sh", "-euc", script)
    assert warm.run(*words).stdout == "an event has 24 bytes, EVIOCGVERSION is 0x80044501\n"
