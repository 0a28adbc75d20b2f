"""The commands of the front page that are there to be copied, copied."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.support.command_line import ROOT, CommandLine

pytestmark = [pytest.mark.e2e, pytest.mark.prove, pytest.mark.usefixtures("root")]

BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)


def list_blocks(title: str) -> list[str]:
    """The indented blocks of a section."""
    section = (ROOT / "README.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return ["".join(line[4:] + "\n" for line in block.splitlines()) for block in BLOCK.findall(section)]


def run_block(block: str, folder: Path, store: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "IMAGEFAB_STORE": str(store)}
    done = subprocess.run(
        ["sh", "-eux", "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_for_a_platform_team(shipped: CommandLine, place: str, tmp_path: Path) -> None:
    start, work = list_blocks("For a platform team")
    printed = ""
    for block in (start, work):
        printed += run_block(block.replace("ghcr.io/acme/images", place), tmp_path, shipped.store)
    published = (tmp_path / "images/armv7-gnueabihf/published.toml").read_text()
    assert f'name = "{place}/armv7-gnueabihf"' in published
    assert re.search(rf"^{re.escape(place)}/armv7-gnueabihf@sha256:[0-9a-f]{{64}}$", printed, re.MULTILINE)


def test_in_a_rust_project_without_cross(warm: CommandLine, tmp_path: Path) -> None:
    block = next(block for block in list_blocks("In a Rust project") if "aarch64-linux-gnu-gcc" in block)
    (warm.folder / "hello.c").write_text("int main(void) { return 0; }\n")
    run_block(block, warm.folder, warm.store)
    assert (warm.folder / "hello").read_bytes().startswith(b"\x7fELF")
