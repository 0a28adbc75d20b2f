"""`imagefab judge`: what it prints, and when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.check.elf import make_elf
from tests.check.test_needs import compile_c, make_pe
from tests.cli.conftest import RunImagefab, read_json

from imagefab.flows.stage import _conclude


@pytest.fixture
def program(nowhere: Path) -> Path:
    compile_c(nowhere, "#include <stdlib.h>\nint main(int c, char **v) { return atoi(v[0]); }\n")
    return nowhere


def test_what_it_prints(imagefab: RunImagefab, program: Path) -> None:
    result = imagefab("judge", "program")
    assert result.code == 0
    assert result.out.startswith("program: ELF, ")
    assert "  libraries    libc.so.6\n" in result.out
    assert "\n  glibc        2." in result.out


def test_a_claim(imagefab: RunImagefab, program: Path) -> None:
    assert imagefab("judge", "program", "--glibc", "9.9").code == 0
    result = imagefab("judge", "program", "--glibc", "2.1")
    assert result.code == 8
    assert result.err.startswith("error: program: needs glibc 2.")
    assert ", and not 2.1: " in result.err
    value = read_json(imagefab("judge", "program", "--glibc", "2.1", "--json"))
    assert value["files"][0]["ok"] is False
    assert len(value["files"][0]["faults"]) == 1


def test_several_files(imagefab: RunImagefab, nowhere: Path) -> None:
    """One that is none does not hide the others."""
    (nowhere / "a.exe").write_bytes(make_pe())
    (nowhere / "b").write_bytes(make_elf())
    (nowhere / "c").write_text("text")
    result = imagefab("judge", "c", "a.exe", "b", "--glibc", "2.31")
    assert result.code == 8
    assert result.out.splitlines()[0] == "a.exe: PE, x86_64, 64 bits, dynamic"
    assert "  system       Windows 7 or later\n" in result.out
    assert "b: ELF, aarch64, 64 bits, static" in result.out
    assert "c: not an ELF file" in result.err
    (nowhere / "link").symlink_to("b")
    assert imagefab("judge", "link").code == 0


def test_bad_requests(imagefab: RunImagefab, project: Path) -> None:
    (project / "a.exe").write_bytes(make_pe())
    refused = imagefab("judge", "a.exe", "--glibc", "new")
    assert refused.code == 2
    assert "--glibc `new` is not a version" in refused.err
    refused = imagefab("judge", "a.exe", "--runs-on", "woody")
    assert refused.code == 2
    assert "no recipe here is of the suite `woody`\n\nhint: there are trixie, bookworm, bullseye" in refused.err
    refused = imagefab("judge", "a.exe", "--runs-on", "trixie")
    assert refused.code == 2
    assert "is no program for Linux" in refused.err


@pytest.mark.parametrize(
    ("code", "said", "works", "detail"),
    [
        (0, "1.0", True, "exit code 0"),
        (2, "usage: x", True, "exit code 2"),
        (None, "the command did not end", True, "still ran"),
        (1, "/x: /lib/libc.so.6: version `GLIBC_2.34' not found (required by /x)", False, "GLIBC_2.34"),
        (127, "/x: error while loading shared libraries: libssl.so.3: cannot open", False, "libssl.so.3"),
        (127, "sh: 1: /x: not found", False, "not found"),
        (126, "", False, "exit code 126"),
        (139, "Segmentation fault", False, "ended by SIGSEGV"),
        (132, "Illegal instruction", False, "an instruction that the processor does not have"),
        (255, "qemu-aarch64: Could not open '/lib/ld-linux-aarch64.so.1'", False, "Could not open"),
    ],
)
def test_whether_it_starts(code: int | None, said: str, works: bool, detail: str) -> None:
    start = _conclude("trixie", code, said)
    assert start.works is works
    assert detail in start.detail
