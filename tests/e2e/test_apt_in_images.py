"""The apt that is in an image chooses what imagefab chose, on the layers below, from the same indexes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.support.apt import open_oracle
from tests.e2e.support.apt_in_images import compare_layers
from tests.e2e.support.command_line import CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


@pytest.mark.prove
def test_apt_inside_the_image_chooses_the_same(warm: CommandLine, tmp_path: Path) -> None:
    """`make prove` asks it for the other host platform too."""
    with open_oracle(tmp_path / "oracle") as oracle:
        compare_layers(oracle, warm, "aarch64-gnu", "linux/amd64", tmp_path)
