"""`imagefab cross-toml --cargo-config`: the linkers and runners of images in a file for cargo."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.cli.sample_pins import TO, TRIPLE, add_rival


def test_cargo_config(imagefab: RunImagefab, project: Path) -> None:
    file = project / ".cargo" / "config.toml"
    words = ["cross-toml", "aarch64-musl", "--cargo-config", ".cargo/config.toml"]
    assert imagefab(*words, "--check").code == 4
    assert not file.exists()
    result = imagefab(*words)
    assert (result.code, result.out, result.err) == (0, "", ".cargo/config.toml written\n")
    text = file.read_text()
    assert text == f'[target.{TRIPLE}]\nlinker = "aarch64-linux-musl-gcc"\nrunner = "/linux-runner aarch64"\n'
    assert imagefab(*words).err == ".cargo/config.toml is up to date\n"
    assert imagefab(*words, "--check").code == 0
    file.write_text("# ours\n" + text.replace("aarch64-linux-musl-gcc", "cc") + 'rustflags = ["x"]\n')
    result = imagefab(*words, "--check")
    assert result.code == 4
    assert (
        f".cargo/config.toml:3:10: error: linker of {TRIPLE} is cc, but should be aarch64-linux-musl-gcc" in result.err
    )
    assert "hint: run `imagefab cross-toml aarch64-musl --cargo-config .cargo/config.toml`" in result.err
    (target,) = read_json(imagefab(*words, "--json"))["targets"]
    assert target["linker"] == "aarch64-linux-musl-gcc"
    assert file.read_text() == "# ours\n" + text + 'rustflags = ["x"]\n'
    assert not (project / "Cross.toml").exists()


def test_two_recipes_for_one_target(imagefab: RunImagefab, project: Path) -> None:
    add_rival(project)
    assert imagefab("cross-toml", "--cargo-config", "x.toml").code == 2
    assert imagefab("cross-toml", "--cargo-config", "x.toml", "rival", "x86_64-gnu").code == 0


@pytest.mark.parametrize("text", ["target = 1\n", f"target.{TRIPLE} = 1\n", f"[target.{TRIPLE}.linker]\npath = 'x'\n"])
def test_cargo_config_that_cannot_be_edited(imagefab: RunImagefab, project: Path, text: str) -> None:
    (project / "x.toml").write_text(text)
    result = imagefab("cross-toml", "--cargo-config", "x.toml", "aarch64-musl")
    assert result.code == 3
    assert "x.toml" in result.err
    assert (project / "x.toml").read_text() == text


@pytest.mark.parametrize("option", [["--cross", "main"], ["--file", "x"], TO, ["--local"]])
def test_options_that_are_not_for_cargo(imagefab: RunImagefab, project: Path, option: list[str]) -> None:
    assert imagefab("cross-toml", "--cargo-config", "x.toml", *option).code == 2
