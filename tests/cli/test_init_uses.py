"""`imagefab init --uses`: the CI of a Rust project that uses images."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab

WORDS = ("init", "--uses", "ghcr.io/acme/images")


@pytest.fixture
def rust_project(nowhere: Path) -> Path:
    (nowhere / "Cargo.toml").write_text('[package]\nname = "my-tool"\nversion = "1.0.0"\n')
    (nowhere / "Cross.toml").write_text("[target.aarch64-unknown-linux-musl]\n")
    return nowhere


def test_what_is_written(imagefab: RunImagefab, rust_project: Path) -> None:
    result = imagefab(*WORDS, "--ci", "github", "--offline")
    assert result.code == 0, result.err
    assert {path.relative_to(rust_project).as_posix() for path in rust_project.rglob("*") if path.is_file()} == {
        "Cargo.toml",
        "Cross.toml",
        "rust-toolchain.toml",
        ".github/propose.sh",
        ".github/imagefab-requirements.txt",
        ".github/workflows/pins.yml",
        ".github/workflows/release.yml",
    }
    assert "imagefab cross-toml --from ghcr.io/acme/images" in (rust_project / ".github/workflows/pins.yml").read_text()
    assert "artifact: my-tool-linux-arm64" in (rust_project / ".github/workflows/release.yml").read_text()
    assert '"aarch64-unknown-linux-musl",' in (rust_project / "rust-toolchain.toml").read_text()


def test_what_is_there_stays(imagefab: RunImagefab, rust_project: Path) -> None:
    (rust_project / "rust-toolchain.toml").write_text("mine")
    (rust_project / ".gitlab-ci.yml").write_text("mine too")
    result = imagefab(*WORDS, "--ci", "gitlab", "--offline")
    assert result.code == 0
    assert "rust-toolchain.toml is there already, and stays as it is" in result.err
    assert ".gitlab-ci.yml is yours, and stays" in result.err
    assert (rust_project / "rust-toolchain.toml").read_text() == "mine"
    assert (rust_project / ".gitlab-ci.yml").read_text() == "mine too"


def test_a_workspace_has_the_name_of_its_folder(imagefab: RunImagefab, rust_project: Path) -> None:
    (rust_project / "Cargo.toml").write_text("[workspace]\n")
    imagefab(*WORDS, "--ci", "github", "--offline")
    assert "artifact: nowhere-linux-arm64" in (rust_project / ".github/workflows/release.yml").read_text()


def test_no_targets(imagefab: RunImagefab, nowhere: Path) -> None:
    result = imagefab(*WORDS, "--ci", "none")
    assert result.code == 2
    assert "has no targets to release for" in result.err
    assert "`imagefab cross-toml RECIPE… --from ghcr.io/acme/images`" in result.err
    assert not list(nowhere.iterdir())


def test_what_does_not_go_together(imagefab: RunImagefab, rust_project: Path) -> None:
    assert imagefab(*WORDS, "--to", "ghcr.io/acme/images").code == 2
    refused = imagefab("init", "--uses", "https://x")
    assert refused.code == 2
    assert "--uses: `https://x` is not a registry and namespace" in refused.err
