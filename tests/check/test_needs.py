"""What programs need: read from real ones, from hand-made ones, and from damaged ones."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.check.elf import make_elf, make_sections
from tests.machine import require

from imagefab.check import metered
from imagefab.check.headers import UnreadableError
from imagefab.check.needs import read_needs
from imagefab.check.product import read_binary
from imagefab.check.systems import find_gcc, list_distributions, name_windows


def compile_c(folder: Path, source: str, *options: str, name: str = "program") -> Path:
    require(shutil.which("gcc") is not None, "gcc")
    (folder / "x.c").write_text(source)
    subprocess.run(["gcc", "x.c", "-o", name, *options], cwd=folder, check=True, capture_output=True)
    return folder / name


def test_a_dynamic_program(tmp_path: Path) -> None:
    source = "#include <math.h>\n#include <stdlib.h>\nint main(int c, char **v) { return (int)exp(atof(v[0])); }\n"
    needs = read_needs(compile_c(tmp_path, source, "-lm", "-Wl,-rpath,/opt/x"))
    assert (needs.format, needs.kind, needs.static) == ("ELF", "program", False)
    assert needs.interpreter is not None
    assert {"libc.so.6", "libm.so.6"} <= set(needs.libraries)
    assert needs.search == ("/opt/x",)
    assert needs.glibc is not None
    assert needs.glibc.version >= (2, 29)
    assert needs.glibc.symbols
    assert not needs.unversioned


def test_a_static_program(tmp_path: Path) -> None:
    for option in ("-static", "-static-pie"):
        needs = read_needs(compile_c(tmp_path, "int main(void) { return 0; }", option))
        assert (needs.kind, needs.static, needs.glibc, needs.libraries) == ("program", True, None, ())


def test_a_library_and_an_object(tmp_path: Path) -> None:
    library = read_needs(compile_c(tmp_path, "int f(void) { return 0; }", "-shared", "-fPIC"))
    assert (library.kind, library.static) == ("library", False)
    an_object = read_needs(compile_c(tmp_path, "int f(void) { return 0; }", "-c"))
    assert (an_object.kind, an_object.static) == ("object", False)


def test_what_says_no_version_is_not_fine(tmp_path: Path) -> None:
    """Without section headers, its versions can't be found: that must not look as if it needed none."""
    path = compile_c(tmp_path, "int main(void) { return 0; }")
    data = bytearray(path.read_bytes())
    data[40:48] = bytes(8)
    data[60:64] = bytes(4)
    path.write_bytes(data)
    needs = read_needs(path)
    assert needs.glibc is None
    assert needs.unversioned


def test_a_small_program(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(make_elf())
    needs = read_needs(path)
    assert (needs.machine, needs.bits, needs.static) == ("aarch64", 64, True)


# -- other systems -----------------------------------------------------------------------------------------------------


def make_pe(*, system: tuple[int, int] = (6, 1), library: bool = False) -> bytes:
    """A Windows program that imports two libraries, with one section."""
    optional = struct.pack("<H46xHH", 0x20B, *system).ljust(108, b"\0") + struct.pack("<I", 16)
    table = struct.pack("<I8xII", 0, 0x1100, 0) + struct.pack("<I8xII", 0, 0x1110, 0) + bytes(20)
    directories = (bytes(8) + struct.pack("<II", 0x1000, len(table))).ljust(128, b"\0")
    optional += directories
    coff = struct.pack("<HH12xHH", 0x8664, 1, len(optional), 0x2022 if library else 0x22)
    section = struct.pack("<8sIIII16x", b".idata", 0x1000, 0x1000, 0x400, 0x400)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + coff + optional + section
    body = table.ljust(0x100, b"\0") + b"KERNEL32.dll".ljust(16, b"\0") + b"ucrtbase.dll\0"
    return head.ljust(0x400, b"\0") + body.ljust(0x400, b"\0")


def test_windows(tmp_path: Path) -> None:
    path = tmp_path / "program.exe"
    path.write_bytes(make_pe())
    needs = read_needs(path)
    assert (needs.format, needs.machine, needs.kind) == ("PE", "x86_64", "program")
    assert needs.libraries == ("KERNEL32.dll", "ucrtbase.dll")
    assert needs.system == "Windows 6.1"
    path.write_bytes(make_pe(library=True))
    assert read_needs(path).kind == "library"


def test_macos(tmp_path: Path) -> None:
    name = b"/usr/lib/libSystem.B.dylib\0".ljust(32, b"\0")
    commands = [
        struct.pack("<IIIIII", 0x32, 24, 1, 11 << 16 | 0 << 8, 14 << 16, 0),
        struct.pack("<IIIIII", 0xC, 24 + len(name), 24, 0, 0, 0) + name,
    ]
    body = b"".join(commands)
    head = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, len(commands), len(body), 0, 0)
    path = tmp_path / "program"
    path.write_bytes(head + body)
    needs = read_needs(path)
    assert (needs.format, needs.machine, needs.system) == ("Mach-O", "aarch64", "macOS 11.0")
    assert needs.libraries == ("/usr/lib/libSystem.B.dylib",)


def test_webassembly(tmp_path: Path) -> None:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    imports = b"\3" + b"".join(text(module) + text(b"f") + b"\0\0" for module in (b"wasi", b"env", b"wasi"))
    path = tmp_path / "program.wasm"
    path.write_bytes(b"\0asm\1\0\0\0" + b"\1\4\1\x60\0\0" + b"\2" + text(imports))
    assert read_needs(path).libraries == ("wasi", "env")


# -- damaged and hostile -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"text", b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\0asm"])
def test_no_program(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    if data == b"\0asm":
        assert read_needs(path).libraries == ()
        return
    with pytest.raises(UnreadableError):
        read_needs(path)


def test_not_a_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UnreadableError):
            read_needs(path)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 0x800), st.binary(min_size=1, max_size=8), st.sampled_from(["pe", "elf"]))
def test_any_damage_is_reported(place: int, with_bytes: bytes, form: str) -> None:
    import tempfile

    data = bytearray(make_pe() if form == "pe" else make_elf(interpreter=True))
    data[place : place + len(with_bytes)] = with_bytes
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            read_needs(Path(file.name))
        except UnreadableError:
            return


# -- words -------------------------------------------------------------------------------------------------------------


def test_systems() -> None:
    assert list_distributions((2, 31)) == ["Debian 11", "Ubuntu 20.04", "RHEL 9", "Amazon Linux 2023"]
    assert list_distributions((2, 17))[0] == "Debian 11"
    assert list_distributions((9, 0)) == []
    assert find_gcc((3, 4, 30)) == "12"
    assert find_gcc((3, 4)) is None
    assert name_windows("Windows 6.1") == "Windows 7"
    assert name_windows("macOS 11.0") == "macOS 11.0"


@pytest.mark.parametrize("read", [read_needs, read_binary])
def test_versions_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]) -> None:
    """A list of four billion entries, each of which leads to itself."""
    monkeypatch.setattr(metered, "MOST_READS", metered.MOST_READS // 100)
    entry = struct.pack("<HHIII", 1, 1, 1, 16, 0) + struct.pack("<IHHII", 0, 0, 2, 1, 0)
    path = tmp_path / "program"
    path.write_bytes(make_sections((b".dynstr", 3, 0, b"\0x\0", 0, 0), (b".v", 0x6FFFFFFE, 0, entry, 1, 0xFFFFFFFF)))
    with pytest.raises(UnreadableError, match="more tables and names"):
        read(path)


def test_a_compressed_note_is_not_unpacked(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(1 << 26))
    note = struct.pack("<IIQQ", 1, 0, 1 << 26, 1) + packed
    (tmp_path / "program").write_bytes(make_sections((b".note.gnu.property", 7, 0x800, note, 0, 0)))
    tracemalloc.start()
    assert read_needs(tmp_path / "program").cpu is None
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
