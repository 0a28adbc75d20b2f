"""Advice: where it applies, a line each with a command, and none twice."""

from __future__ import annotations

import pytest

from imagefab.cross.advice import advise_on_host, advise_on_image
from imagefab.recipe.target import TARGETS


@pytest.mark.parametrize(
    ("triple", "runner", "floor", "wanted"),
    [
        ("aarch64-unknown-linux-gnu", "qemu-user", "2.34", ["QEMU_STRACE", "glibc 2.34", "CARGO_CFG_TARGET_OS"]),
        ("x86_64-unknown-linux-gnu", "native", None, ["CARGO_CFG_TARGET_OS"]),
        ("aarch64-unknown-linux-musl", "qemu-user", None, ["QEMU_STRACE", "vendored", "CARGO_CFG_TARGET_OS"]),
        ("thumbv7em-none-eabihf", "qemu-system", None, ["-Zbuild-std"]),
        ("x86_64-pc-windows-gnu", "wine", None, []),
    ],
)
def test_on_an_image(triple: str, runner: str, floor: str | None, wanted: list[str]) -> None:
    found = list(advise_on_image(TARGETS[triple], runner=runner, floor=floor))
    assert len(found) == len(wanted)
    assert all(word in line for word, line in zip(wanted, found, strict=True))


def test_on_a_host() -> None:
    """What cross takes along from here, and nothing about what is not set."""
    found = list(advise_on_host({"RUSTFLAGS": "-C target-cpu=native", "CARGO_BUILD_RUSTC_WRAPPER": "", "PATH": "/bin"}))
    assert len(found) == 1
    assert "`env -u RUSTFLAGS cross build" in found[0]
