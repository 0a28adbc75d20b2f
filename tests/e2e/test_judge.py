"""`imagefab judge --runs-on`: programs are started in a suite's userland, natively and under QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.check.test_needs import compile_c
from tests.e2e.support.command_line import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]
LATER = '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }\n'


def test_it_starts_or_says_why(tiny: CommandLine, tmp_path: Path) -> None:
    fine = compile_c(tmp_path, LATER, "-static", name="fine")
    compile_c(tmp_path, "int gone(void) { return 0; }\n", "-shared", "-fPIC", name="libgone.so")
    source = "int gone(void);\nint main(void) { return gone(); }\n"
    lacking = compile_c(tmp_path, source, "-L.", "-lgone", name="lacking")
    crashing = compile_c(tmp_path, "int main(void) { return *(volatile int *)0; }\n", "-static", name="crashing")
    value = tiny.json("judge", fine, "--runs-on", "trixie")
    assert value["files"][0]["runs_on"] == {"trixie": {"ok": True, "detail": "exit code 3"}}
    said = tiny.run("judge", lacking, crashing, "--runs-on", "trixie", code=8)
    assert "lacking: does not start on trixie: " in said.stderr
    assert "error while loading shared libraries: libgone.so" in said.stderr
    assert "crashing: does not start on trixie: it is ended by SIGSEGV" in said.stderr


def test_another_machine(warm: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text(LATER)
    warm.run("run", "--mount", tmp_path, "aarch64-gnu", "--", "aarch64-linux-gnu-gcc", "x.c", "-o", "arm")
    value = warm.json("judge", tmp_path / "arm", "--runs-on", "trixie", "--glibc", "2.34")
    (judged,) = value["files"]
    assert judged["machine"] == "aarch64"
    assert judged["runs_on"] == {"trixie": {"ok": True, "detail": "exit code 3"}}
