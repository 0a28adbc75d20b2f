"""Linkers and runners in .cargo/config.toml; the rest of it stays."""

from __future__ import annotations

import pytest

from imagefab.cross.cargo_config import Stanza, make_stanza, update_cargo_config

ENVIRONMENT = {
    "CARGO_TARGET_THUMBV8M_BASE_NONE_EABI_LINKER": "arm-none-eabi-gcc",
    "CARGO_TARGET_THUMBV8M_BASE_NONE_EABI_RUNNER": "/run arm",
    "CARGO_TARGET_OTHER_LINKER": "cc",
}
THUMB = Stanza(recipe="x", triple="thumbv8m.base-none-eabi", linker="arm-none-eabi-gcc", runner="/run arm")
BEFORE = """\
# ours
[build]
rustflags = ["-Dwarnings"]  # strict

[target.thumb]
linker = "x"

[target.'thumbv8m.base-none-eabi']
rustflags = [
  "-Clink-arg=-Tlink.x",
]
linker = "rust-lld"   # why not

[target.'cfg(unix)']
runner = "y"

[env]
A = { value = "b", relative = true }
"""


def test_a_stanza_is_the_environment_of_the_image() -> None:
    assert make_stanza("x", THUMB.triple, [ENVIRONMENT, ENVIRONMENT]) == THUMB


def test_what_differs_between_host_platforms_is_left_out() -> None:
    other = {**ENVIRONMENT, "CARGO_TARGET_THUMBV8M_BASE_NONE_EABI_RUNNER": "/other"}
    assert make_stanza("x", THUMB.triple, [ENVIRONMENT, other]) == Stanza(
        recipe="x", triple=THUMB.triple, linker=THUMB.linker, runner=None
    )
    assert make_stanza("x", "no-such", [ENVIRONMENT]) == Stanza(recipe="x", triple="no-such", linker=None, runner=None)


def test_the_rest_stays() -> None:
    after, differences = update_cargo_config(BEFORE, [THUMB])
    assert after == BEFORE.replace('"rust-lld"   # why not\n', '"arm-none-eabi-gcc"   # why not\nrunner = "/run arm"\n')
    assert [(one.path[-1], one.found) for one in differences] == [("linker", "rust-lld"), ("runner", None)]
    assert update_cargo_config(after, [THUMB]) == (after, ())


@pytest.mark.parametrize("runner", ['"/run arm"', '["/run", "arm"]'])
def test_a_command_as_a_list_is_equal(runner: str) -> None:
    text = f"[target.'{THUMB.triple}']\nrunner = {runner}\nlinker = 'arm-none-eabi-gcc'\n"
    assert update_cargo_config(text, [THUMB]) == (text, ())


def test_a_new_file() -> None:
    text, _ = update_cargo_config("", [THUMB, Stanza(recipe="y", triple="y", linker="cc", runner=None)])
    assert text == (
        '[target."thumbv8m.base-none-eabi"]\nlinker = "arm-none-eabi-gcc"\nrunner = "/run arm"\n\n'
        '[target.y]\nlinker = "cc"\n'
    )
