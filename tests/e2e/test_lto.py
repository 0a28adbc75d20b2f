"""Link-time optimisation over two languages: a Rust object of LLVM's own form, and C, in an image of kind llvm.

rustc's LLVM must not be newer than the image's. Debian's own rustc has the very one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.rust import Rust, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.prove, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "LLVM, for the machine itself"
target = "x86_64-unknown-linux-gnu"
kind = "llvm"
base = "trixie"
platforms = ["linux/amd64"]
"""
BITCODE = b"BC\xc0\xde"
LIBRARY = """\
#[no_mangle]
pub extern "C" fn add_in_rust(one: i32, other: i32) -> i32 {
    one.wrapping_add(other)
}
"""
PROGRAM = """\
#include <stdio.h>
int add_in_rust(int, int);
int main(int count, char **words) { (void)words; printf("%d\\n", add_in_rust(count, 41)); return 0; }
"""


def test_rust_and_c_are_linked_as_bitcode(
    warm: CommandLine, debian_rust: Rust, project: Callable[[str, str], Path], tmp_path: Path
) -> None:
    folder = project(RECIPE, "native-llvm")
    line = warm.at(folder)
    line.run("lock")
    line.run("build", "native-llvm")
    (tmp_path / "library.rs").write_text(LIBRARY)
    (tmp_path / "main.c").write_text(PROGRAM)
    options = ["--crate-type", "staticlib", "-O", "-C", "linker-plugin-lto", "-C", "panic=abort"]
    compile_rust = [debian_rust.sysroot / "bin/rustc", *options, "-o", "library.a", "library.rs"]
    run_command(["sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path), *map(str, compile_rust)], debian_rust.environment())
    assert BITCODE in (tmp_path / "library.a").read_bytes(), "what is left to optimise when all is linked"
    tmp_path.chmod(0o777)
    script = "$CC_x86_64_unknown_linux_gnu -O2 -flto main.c library.a -o program && ./program"
    assert line.run("run", "--mount", tmp_path, "native-llvm", "--", "sh", "-c", script).stdout == "42\n"
