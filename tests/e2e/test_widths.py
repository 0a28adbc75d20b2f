"""Time and file offsets on 32-bit Linux: C, libclang and the libc crate take them for equally wide, or checks fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support.command_line import ROOT, CommandLine, list_failures, list_probes
from tests.e2e.support.rust import Rust, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

NAME, TRIPLE = "armv7-gnueabihf", "armv7-unknown-linux-gnueabihf"
RECIPE = (ROOT / "recipes" / f"{NAME}.toml").read_text()


def add_environment(**variables: str) -> str:
    return RECIPE + "\n[env]\n" + "".join(f'{name} = "{value}"\n' for name, value in variables.items())


def test_a_crate_and_the_c_library_agree(
    warm: CommandLine, project: Callable[..., Path], debian_rust: Rust, tmp_path: Path
) -> None:
    """Sizes, and what they are for: a moment after 2038 gets through both ways."""
    line = warm.at(project(RECIPE, NAME))
    line.run("lock")
    line.run("build", NAME)
    crate = Path(shutil.copytree(Path(__file__).parent / "support/widths", tmp_path / "widths"))
    vendor = ["sh", "-c", 'cd "$0" && mkdir .cargo && cargo vendor --locked vendor >.cargo/config.toml']
    run_command([*vendor, str(crate)], debian_rust.environment())
    script = (
        'export PATH="$PATH:/rust/bin" CARGO_HOME=/tmp/cargo CARGO_TARGET_DIR=/tmp/target\n'
        f"cargo run --offline --quiet --target {TRIPLE}\n"
    )
    bind = f"--bind={debian_rust.sysroot}:/rust"
    ran = line.run("run", "--mount", crate, bind, NAME, "--", "sh", "-euc", script)
    assert ran.stdout == "time_t 8, off_t 8, ino_t 8, stat 112, timeval 16; 2100-01-01\n"


@pytest.mark.prove
def test_a_check_finds_out_who_differs(warm: CommandLine, project: Callable[..., Path], debian_rust: Rust) -> None:
    arguments = "-isystem/usr/arm-linux-gnueabihf/include"
    underscored = TRIPLE.replace("-", "_")
    broken = {
        "parser": {f"BINDGEN_EXTRA_CLANG_ARGS_{underscored}": arguments},
        "crate": dict.fromkeys(("RUST_LIBC_UNSTABLE_GNU_TIME_BITS", "CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS"), "32"),
        "compiler": {f"CFLAGS_{underscored}": "-U_TIME_BITS -U_FILE_OFFSET_BITS"},
    }
    for name, variables in broken.items():
        folder = project(add_environment(**variables), name)
    line = warm.at(folder)
    line.run("lock")
    said = {}
    for name in broken:
        line.run("build", name)
        report = line.check(name, "--rust", debian_rust.sysroot, code=8)
        said[name] = list_failures(report)
        assert list_probes(report, "pass") >= {"c", "bindgen", "kernel-headers", "rust"}
    assert said["parser"].keys() == {"sizes"}
    assert "time_t has 8 bytes for the C compiler and 4 for libclang" in said["parser"]["sizes"]
    assert said["crate"].keys() == said["compiler"].keys() == {"sizes", "rust-libc"}
    for name, wide, narrow in (
        ("time_t", 8, 4),
        ("off_t", 8, 4),
        ("ino_t", 8, 4),
        ("stat", 112, 88),
        ("timeval", 16, 8),
    ):
        assert f"{name} has {wide} bytes for the C compiler and {narrow} for Rust's" in said["crate"]["rust-libc"]
        assert f"{name} has {narrow} bytes for the C compiler and {wide} for Rust's" in said["compiler"]["rust-libc"]
