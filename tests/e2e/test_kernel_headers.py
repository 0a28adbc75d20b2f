"""C that includes the kernel's headers, in an image for musl, whose own packages do not bring any."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from imagefab.platforms import AMD64
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES, design_image
from tests.e2e.support.command_line import ROOT, CommandLine
from tests.e2e.support.projects import add_recipe
from tests.e2e.support.rust import Rust

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

TRIPLE = "aarch64-unknown-linux-musl"
KEYBOARD = Path(__file__).parent / "support/keyboard"
MAIN = """\
#include <stdio.h>
unsigned key_event_size(void);
unsigned long get_version(void);

int main(void)
{
    printf("%u %#lx\\n", key_event_size(), get_version());
    return 0;
}
"""


def make_recipe() -> str:
    """aarch64-gnu, with the layer on top by which aarch64-musl has musl; without a C++ library, which takes minutes."""
    (recipe,) = load_recipes(open_project(ROOT), RULES, ["aarch64-musl"])
    (musl,) = [layer for layer in design_image(recipe, AMD64).layers if layer.name == "musl-arm64"]
    (step,) = musl.run
    return "\n".join(
        [
            (ROOT / "recipes/aarch64-gnu.toml").read_text(),
            f"[packages]\ntarget = {json.dumps([name.removesuffix(':arm64') for name in musl.packages])}\n",
            *(
                f"[[files]]\npath = {json.dumps(file.path)}\ncontent = {json.dumps(file.content.decode())}\n"
                f'mode = "0{file.mode:o}"\n'
                for file in musl.files
            ),
            f"[[run]]\nname = {json.dumps(step.name)}\nscript = {json.dumps(step.script)}\n",
        ]
    )


def test_a_program(warm: CommandLine, tmp_path: Path) -> None:
    add_recipe(warm, "with-musl", make_recipe())
    warm.run("build", "with-musl", "--engine", "sandbox")
    shutil.copy(KEYBOARD / "keyboard.c", tmp_path)
    (tmp_path / "main.c").write_text(MAIN)
    script = "aarch64-linux-musl-gcc -static main.c keyboard.c -o main && /linux-runner aarch64 ./main"
    ran = warm.run("run", "--engine", "sandbox", "--mount", tmp_path, "with-musl", "--", "sh", "-c", script)
    assert ran.stdout == "24 0x80044501\n"


@pytest.mark.prove
def test_a_crate(warm: CommandLine, musl_rust: Rust, tmp_path: Path) -> None:
    crate = Path(shutil.copytree(KEYBOARD, tmp_path / "keyboard"))
    warm.run("build", "aarch64-musl", "--engine", "sandbox")
    script = (
        'export PATH="$PATH:/rust/bin" CARGO_HOME=/tmp/cargo CARGO_TARGET_DIR=/tmp/target\n'
        f"cargo run --offline --quiet --target {TRIPLE}\n"
    )
    bind = f"--bind={musl_rust.sysroot}:/rust"
    words = ("run", "--engine", "sandbox", "--mount", crate, bind, "aarch64-musl", "--", "sh", "-euc", script)
    assert warm.run(*words).stdout == "an event has 24 bytes, EVIOCGVERSION is 0x80044501\n"
