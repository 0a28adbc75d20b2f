"""`imagefab cross-toml` where Cargo.toml configures cross, alone or beside Cross.toml."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.cli.sample_pins import PUBLISHED, TRIPLE, publish

REFERENCE = f"registry.example/team/aarch64-musl@{PUBLISHED}"
PACKAGE = f"""\
[package]
name = "app" # ours
version = "1.0.0"

[package.metadata.cross.target.{TRIPLE}]
image = "old"
runner = "qemu-user"

[dependencies]
"""


@pytest.fixture
def rust_project(project: Path) -> Path:
    publish(project)
    return project


def test_a_packages_table(imagefab: RunImagefab, rust_project: Path) -> None:
    """It is written where it is, without a Cross.toml."""
    file = rust_project / "Cargo.toml"
    file.write_text(PACKAGE)
    result = imagefab("cross-toml")
    assert (result.code, result.out) == (0, f"{REFERENCE}\n"), result.err
    assert file.read_text() == PACKAGE.replace("old", REFERENCE)
    assert result.err == "Cargo.toml written\n"
    assert not (rust_project / "Cross.toml").exists()
    assert imagefab("cross-toml", "--check").code == 0
    file.write_text(PACKAGE)
    check = imagefab("cross-toml", "--check")
    assert check.code == 4
    assert check.err.startswith(f"Cargo.toml:6:9: error: image of {TRIPLE} is old")


def test_a_new_target_in_it(imagefab: RunImagefab, rust_project: Path) -> None:
    file = rust_project / "Cargo.toml"
    file.write_text('[package]\nname = "app"\n\n[package.metadata.cross.build]\ndefault-target = "x"\n')
    assert imagefab("cross-toml", "aarch64-musl").code == 0
    assert f'[package.metadata.cross.target.{TRIPLE}]\nimage = "{REFERENCE}"\n' in file.read_text()


def test_it_is_linted(imagefab: RunImagefab, rust_project: Path) -> None:
    (rust_project / "Cargo.toml").write_text(
        f'{PACKAGE}\n[package.metadata.cross.build.env]\npassthrough = ["CARGO_*"]\n'
    )
    result = imagefab("cross-toml", "--json")
    assert "Cargo.toml:12:16: warning: `CARGO_*` is the name of no variable" in result.err
    (remark,) = read_json(result)["remarks"]
    assert (remark["file"], remark["line"]) == ("Cargo.toml", 12)


def test_a_workspace(imagefab: RunImagefab, rust_project: Path) -> None:
    """Only the main branch reads its table."""
    file = rust_project / "Cargo.toml"
    file.write_text(f'[workspace.metadata.cross.target.{TRIPLE}]\nimage = "old"\n')
    value = read_json(imagefab("cross-toml", "--json"))
    assert (value["cross"], value["files"]) == ("main", ["Cargo.toml"])
    assert REFERENCE in file.read_text()
    result = imagefab("cross-toml", "--cross", "0.2.5")
    assert "cross 0.2.5 does not read `[workspace.metadata.cross]`" in result.err


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("0.2.5", "Cross.toml also has an image for {}, and with cross 0.2.5 it wins over Cargo.toml"),
        ("main", "Cross.toml also has an image for {}; with cross's main branch this one wins"),
    ],
)
def test_both_speak(imagefab: RunImagefab, rust_project: Path, version: str, says: str) -> None:
    cargo, cross = rust_project / "Cargo.toml", rust_project / "Cross.toml"
    cargo.write_text(PACKAGE)
    cross.write_text(f'[target.{TRIPLE}]\nimage = "older"\n')
    result = imagefab("cross-toml", "--cross", version)
    assert result.code == 0
    assert f"Cargo.toml:6:9: warning: {says.format(TRIPLE)}" in result.err
    assert REFERENCE in cargo.read_text()
    assert REFERENCE in cross.read_text()


def test_each_file_keeps_its_targets(imagefab: RunImagefab, rust_project: Path) -> None:
    """What Cargo.toml has is not written into Cross.toml as well."""
    (rust_project / "Cargo.toml").write_text(PACKAGE)
    (rust_project / "Cross.toml").write_text("[build]\n")
    assert imagefab("cross-toml", "aarch64-musl").code == 0
    assert (rust_project / "Cross.toml").read_text() == "[build]\n"
    assert REFERENCE in (rust_project / "Cargo.toml").read_text()


def test_the_environment_wins(imagefab: RunImagefab, rust_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSS_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_IMAGE", "mine")
    monkeypatch.setenv("CROSS_CONFIG", "ci/Cross.toml")
    result = imagefab("cross-toml", "aarch64-musl")
    assert "CROSS_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_IMAGE is set, and wins" in result.err
    assert "CROSS_CONFIG is set: cross reads ci/Cross.toml" in result.err


def test_cargo_toml_without_cross_is_left_alone(imagefab: RunImagefab, rust_project: Path) -> None:
    for text in ('[package]\nname = "app"\n', "no TOML"):
        (rust_project / "Cargo.toml").write_text(text)
        (rust_project / "Cross.toml").unlink(missing_ok=True)
        assert imagefab("cross-toml", "aarch64-musl").code == 0
        assert (rust_project / "Cargo.toml").read_text() == text
        assert (rust_project / "Cross.toml").exists()


def test_cargo_toml_by_name(imagefab: RunImagefab, rust_project: Path) -> None:
    file = rust_project / "Cargo.toml"
    file.write_text('[package]\nname = "app"\n')
    assert imagefab("cross-toml", "aarch64-musl", "--file", "Cargo.toml").code == 0
    assert f"[package.metadata.cross.target.{TRIPLE}]" in file.read_text()


def test_a_file_beside_another_project(
    imagefab: RunImagefab, rust_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -C the recipes are elsewhere, and the file is here."""
    here = tmp_path / "app"
    here.mkdir()
    monkeypatch.chdir(here)
    assert imagefab("-C", str(rust_project), "cross-toml", "aarch64-musl", "--file", "Cross.toml").code == 0
    assert REFERENCE in (here / "Cross.toml").read_text()
    assert not (rust_project / "Cross.toml").exists()


def test_the_same_is_said_once(imagefab: RunImagefab, rust_project: Path) -> None:
    names = [f"ghcr.io/cross-rs/{triple}:main" for triple in ("i686-unknown-linux-gnu", "x86_64-unknown-linux-gnu")]
    lines = [f'[target.{name.rpartition("/")[2][:-5]}]\nimage = "{name}"\n' for name in names]
    (rust_project / "Cross.toml").write_text("".join(lines))
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.err.count("can be another image tomorrow") == 1
    assert "what a machine has (the like at 4:9)" in result.err
