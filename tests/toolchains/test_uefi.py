"""UEFI: compilers set to their targets, and the runner, with a stand-in in the emulator's place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64
from imagefab.recipe.model import Additions, Recipe
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.design import RULES, design_image
from imagefab.toolchains.runners.system import RUNNER

STEMS = ("x86_64", "i686", "aarch64")
EMULATOR = """\
#!/bin/sh
printf '[%s]' "$@"
for word in "$@"; do case $word in *file=fat:*) ls "${word#*file=fat:}/EFI/BOOT" ;; esac; done
exit "${CODE:-0}"
"""


def make(stem: str) -> Recipe:
    return make_recipe(
        target=TARGETS[f"{stem}-unknown-uefi"], kind="uefi", additions=Additions(), options=(("version", "19"),)
    )


def read_file(stem: str, path: str) -> str:
    layers = design_image(make(stem), AMD64).layers
    return next(file.content.decode() for layer in layers for file in layer.files if file.path == path)


def run(folder: Path, stem: str, content: bytes, **env: str) -> tuple[str, int]:
    emulator, program = folder / "emulator", folder / "program"
    emulator.write_text(EMULATOR)
    emulator.chmod(0o755)
    program.write_bytes(content)
    script = folder / "runner"
    qemu = f"/usr/bin/qemu-system-{TARGETS[f'{stem}-unknown-uefi'].qemu} "
    text = read_file(stem, RUNNER)
    assert qemu in text
    script.write_text(text.replace(qemu, f"{emulator} "))
    settings = [f"{name}={value}" for name, value in (env | {"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}).items()]
    command = ["env", "-i", *settings, "/bin/sh", str(script), stem, str(program)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout + result.stderr, result.returncode


@pytest.mark.parametrize(
    ("stem", "boot", "firmware"),
    [
        ("x86_64", "BOOTX64.EFI", "[-bios][/usr/share/ovmf/OVMF.fd]"),
        ("i686", "BOOTIA32.EFI", "readonly=on,file=/usr/share/OVMF/OVMF32_CODE_4M.fd]"),
        ("aarch64", "BOOTAA64.EFI", "[-bios][/usr/share/qemu-efi-aarch64/QEMU_EFI.fd]"),
    ],
)
def test_the_firmware_starts_an_application_from_a_disk(stem: str, boot: str, firmware: str, tmp_path: Path) -> None:
    said, code = run(tmp_path, stem, b"MZ\x90\x00")
    assert code == 0
    assert boot in said
    assert firmware in said
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "the disk is gone"


@pytest.mark.parametrize(("stem", "given"), [("x86_64", "15"), ("i686", "15"), ("aarch64", "7")])
def test_exit_codes(stem: str, given: str, tmp_path: Path) -> None:
    assert run(tmp_path, stem, b"MZ\x90\x00", CODE=given)[1] == 7


def test_a_disk_is_booted_by_the_firmware(tmp_path: Path) -> None:
    said, _ = run(tmp_path, "aarch64", b"\x31\xc0\x8e\xd8")
    assert "snapshot=on" in said
    assert "[-bios]" in said


@pytest.mark.parametrize("stem", STEMS)
def test_compilers_have_the_flags_of_rustc(stem: str) -> None:
    command = read_file(stem, f"/usr/local/bin/{stem}-unknown-uefi-clang")
    assert f"--target={stem}-unknown-windows " in command
    assert ("-msoft-float" in command) == (stem != "aarch64")
    assert "-fshort-wchar" in command


@pytest.mark.parametrize("stem", STEMS)
def test_host_platforms_run_them_alike(stem: str) -> None:
    for platform in (AMD64, ARM64):
        made = design_image(make(stem), platform)
        assert dict(made.labels)["org.cross-rs.runs-with"] == "qemu-system"
        assert not any(name.endswith("_LINKER") for name, _ in made.env), "rustc links by itself"


def test_it_is_for_uefi_alone() -> None:
    accepted = {triple for triple, target in TARGETS.items() if RULES["uefi"].accepts(target) is None}
    assert accepted == {f"{stem}-unknown-uefi" for stem in STEMS}
