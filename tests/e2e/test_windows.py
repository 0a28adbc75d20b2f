"""Windows programs in an image, under Wine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.support.command_line import ROOT, CommandLine, list_probes
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "Windows, broken on purpose"
target = "x86_64-pc-windows-gnu"
kind = "mingw"
base = "trixie"
platforms = ["linux/amd64"]

[[run]]
name = "break it"
script = "rm /usr/lib/gcc/x86_64-w64-mingw32/*-posix/libstdc++-6.dll"
"""
WINDOW_C = """\
#include <windows.h>
#include <stdio.h>

int main(void)
{
    HWND window = CreateWindowA("STATIC", "probe", WS_OVERLAPPEDWINDOW, 0, 0, 10, 10, 0, 0, 0, 0);
    printf("%s\\n", window ? "window" : "none");
    return 42;
}
"""
SEVERAL = """\
$CC_x86_64_pc_windows_gnu window.c -o window.exe
codes=
for number in 1 2 3 4; do
    env -i /wine-runner ./window.exe >"said$number" 2>&1 &
    codes="$codes $!"
done
for process in $codes; do
    wait "$process" || echo "code $?"
done
cat said?
"""


@pytest.mark.prove
def test_programs_start_together_and_may_make_windows(warm: CommandLine, tmp_path: Path) -> None:
    """The first of them makes Wine's folder, for all; nothing of that is in what they say."""
    warm.run("build", "x86_64-windows-gnu")
    (tmp_path / "window.c").write_text(WINDOW_C)
    ran = warm.run("run", "--mount", tmp_path, "x86_64-windows-gnu", "--", "sh", "-c", SEVERAL)
    assert ran.stdout.splitlines() == ["code 42"] * 4 + ["window"] * 4


@pytest.mark.prove
def test_rust_without_gcc(warm: CommandLine, full_rust: Rust) -> None:
    """A crate with a C dependency, and its tests, by LLVM's linker and runtime."""
    shutil.copy(ROOT / "recipes/x86_64-windows-gnullvm.toml", warm.folder / "recipes")
    warm.run("lock", "x86_64-windows-gnullvm")
    warm.run("build", "x86_64-windows-gnullvm")
    report = warm.check("x86_64-windows-gnullvm", "--rust", full_rust.sysroot)
    assert "rust" in list_probes(report, "pass"), report


def test_a_lost_dll_is_found_out(warm: CommandLine, project: Callable[..., Path]) -> None:
    line = warm.at(project(RECIPE))
    line.run("lock")
    line.run("build", "probe")
    report = line.check("probe", code=8)
    assert list_probes(report, "fail") == {"c++", "cmake"}
    assert list_probes(report, "pass") >= {"c", "shared", "c++-static"}
