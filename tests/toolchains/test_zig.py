"""Kind zig: processors, C libraries and what programs need to run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.plan.builders import make_recipe

from imagefab.platforms import AMD64, HostPlatform
from imagefab.recipe.model import Additions
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import Blueprint
from imagefab.toolchains.design import RULES, design_image

PLAIN = make_recipe(
    target=TARGETS["aarch64-unknown-linux-gnu"],
    kind="zig",
    additions=Additions(),
    options=tuple((rule.name, rule.default) for rule in RULES["zig"].options),
)


def design(triple: str, platform: HostPlatform = AMD64, **options: str | bool) -> Blueprint:
    chosen = tuple((dict(PLAIN.options) | options).items())
    return design_image(replace(PLAIN, target=TARGETS[triple], options=chosen), platform)


def read_command(triple: str) -> str:
    """How the image's compiler calls Zig."""
    files = {file.path: file.content.decode() for layer in design(triple).layers for file in layer.files}
    return files["/usr/local/bin/zig-cc"].splitlines()[-1]


@pytest.mark.parametrize(
    ("triple", "options"),
    [
        ("arm-unknown-linux-musleabihf", "-target arm-linux-musleabihf -mcpu=generic+v6+vfp2+strict_align"),
        ("arm-unknown-linux-musleabi", "-target arm-linux-musleabi -mcpu=generic+v6+strict_align"),
        ("arm-unknown-linux-gnueabihf", "-target arm-linux-gnueabihf.2.17 -mcpu=generic+v6+vfp2+strict_align"),
        ("arm-unknown-linux-gnueabi", "-target arm-linux-gnueabi.2.17 -mcpu=generic+v6+strict_align"),
        ("armv7-unknown-linux-musleabihf", "-target arm-linux-musleabihf -mcpu=generic+v7a+vfp3d16-neon"),
        ("aarch64-unknown-linux-musl", "-target aarch64-linux-musl"),
    ],
)
def test_processors_are_those_that_rustc_means(triple: str, options: str) -> None:
    assert read_command(triple) == f'exec /opt/zig/zig cc {options} "$@"'
