"""Kinds avr and bpf: compilers without a system, a linker or an emulator of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.sample_recipe import make_recipe

from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.recipe.model import Additions
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import RULES, design_image


def design(triple: str, kind: str, platform: HostPlatform = AMD64, **options: str) -> Blueprint:
    given = {rule.name: rule.default for rule in RULES[kind].options} | options
    recipe = make_recipe(target=TARGETS[triple], kind=kind, additions=Additions(), options=tuple(given.items()))
    return design_image(recipe, platform)


def read_file(made: Blueprint, path: str) -> str:
    return next(file.content.decode() for layer in made.layers for file in layer.files if file.path == path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("a.c", "-mmcu=attiny85 a.c"), ("-c -mmcu=avr5 a.c", "-c -mmcu=avr5 a.c"), ("", "-mmcu=attiny85")],
)
def test_a_microcontroller_that_is_named_wins(arguments: str, said: str, tmp_path: Path) -> None:
    wrapper = read_file(design("avr-none", "avr", mcu="attiny85"), "/usr/local/bin/avr-none-gcc")
    (tmp_path / "avr-gcc").write_text("#!/bin/sh\necho $*\n")
    (tmp_path / "avr-gcc").chmod(0o755)
    (tmp_path / "wrapper").write_text(wrapper)
    command = ["/bin/sh", str(tmp_path / "wrapper"), *arguments.split()]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == f"{said}\n"


def test_rustc_links_avr_by_gcc() -> None:
    made = design("avr-none", "avr")
    assert dict(made.env)["CARGO_TARGET_AVR_NONE_LINKER"] == "avr-gcc"
    assert "-mmcu=atmega328p" in dict(made.env)["BINDGEN_EXTRA_CLANG_ARGS_avr_none"]
    assert dict(made.labels)["org.cross-rs.runs-with"] == "none"


@pytest.mark.parametrize("stem", ["bpfel", "bpfeb"])
def test_bpf_sees_the_types_of_the_machine(stem: str) -> None:
    for platform in (AMD64, ARM64):
        made = design(f"{stem}-unknown-none", "bpf", platform)
        command = read_file(made, f"/usr/local/bin/{stem}-unknown-none-clang")
        assert f"--target={stem} -g " in command
        assert f"-idirafter/usr/include/{platform.gnu_triplet} " in command
        assert not any(name.endswith(("_LINKER", "_RUNNER")) for name, _ in made.env)


def test_each_is_for_its_targets_alone() -> None:
    accepted = {
        kind: {t for t, target in TARGETS.items() if RULES[kind].accepts(target) is None} for kind in ("avr", "bpf")
    }
    assert accepted == {"avr": {"avr-none"}, "bpf": {"bpfel-unknown-none", "bpfeb-unknown-none"}}
