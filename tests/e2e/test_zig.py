"""What an image of kind zig compiles ahead, end to end, with as little of Zig as one C program needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagefab.check.programs import read_program
from imagefab.engines.build import find_image
from imagefab.engines.command import run_in_image
from imagefab.engines.engine import Command
from imagefab.flows.prepare import prepare_recipe
from imagefab.platforms import AMD64
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.store.store import Store
from imagefab.toolchains.blueprint import IMAGE_PATH
from imagefab.toolchains.design import RULES, design_image
from imagefab.toolchains.script import read_script
from tests.e2e.support.command_line import ROOT, CommandLine
from tests.e2e.support.projects import TINY, add_recipe

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

USER = (12345, 12345)
OPTIONS = "-O2 -Wl,--strip-debug -rtlib=none"
"""Without the compiler's runtime, which takes ten seconds, a program needs little more than stubs of the C library."""
NEEDED = "zig lib/std/std.zig lib/std/Build/Cache.zig lib/include/* lib/libc/glibc/* lib/libc/include/x86-*"
NEEDED += " lib/libc/include/generic-glibc/* lib/libc/include/any-linux-any/*"
UNPACK = f"""\
set -f
unzip -q "$SOURCES/ziglang.whl" {" ".join(f"ziglang/{name}" for name in NEEDED.split())} -d /tmp
set +f
mv /tmp/ziglang/* /opt/zig/
chmod 755 /opt/zig/zig
"""
PROGRAM = 'int puts(const char *);\nint main(void) { return puts("c says 42") < 0; }\n'


def write_recipe(line: CommandLine) -> str:
    """A tiny image with Zig: the shipped scripts, and one link instead of all."""
    (recipe,) = load_recipes(open_project(ROOT), RULES, ["x86_64-gnu-zig"])
    files = [file for layer in design_image(recipe, AMD64).layers for file in layer.files if "zig" in file.path]
    ahead = f"/opt/zig/zig cc -target x86_64-linux-gnu.2.17 {OPTIONS} c.c -o out\n"
    script = UNPACK + read_script("zig-ahead.sh") + ahead + read_script("zig-keep.sh", zig="/opt/zig")
    parts = [
        TINY,
        '[packages]\nhost = ["unzip"]\n',
        *(
            f"[[files]]\npath = {json.dumps(file.path)}\ncontent = {json.dumps(file.content.decode())}\n"
            f'mode = "0{file.mode:o}"\n'
            for file in files
        ),
        '[[sources]]\nname = "ziglang.whl"\nwheel = "ziglang==0.17.0"\n',
        f'[[run]]\nname = "zig"\nsources = ["ziglang.whl"]\nscript = {json.dumps(script)}\n',
    ]
    add_recipe(line, "zig", "\n".join(parts))
    return "zig"


def run_as_another(line: CommandLine, name: str, script: str, folder: Path) -> tuple[int, str]:
    """On a read-only root, as a user whom the image does not know; `folder` is what can be written to."""
    folder.chmod(0o777)
    store, project = Store(line.store), open_project(line.folder)
    (plan,) = prepare_recipe(project, load_recipes(project, RULES, [name])[0]).choose_plans(["linux/amd64"])
    image = find_image(plan, store, SilentProgress())
    assert image is not None
    command = Command(
        argv=("sh", "-euc", script),
        env=(("PATH", IMAGE_PATH), ("CARGO_TARGET_DIR", "/project/target")),
        cwd="/project",
        user=USER,
        binds=((str(folder), "/project"),),
        read_only=True,
    )
    with (folder / "said").open("w+b") as output:
        code = run_in_image(image, name, command, store, SilentProgress(), engine="sandbox", output=output)
        output.seek(0)
        said = output.read().decode()
    store.close()
    return code, said


def test_the_first_program_of_a_container(tiny: CommandLine, tmp_path: Path) -> None:
    name = write_recipe(tiny)
    tiny.build(name, "--engine", "sandbox")
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "main.c").write_text(PROGRAM)
    build = f"zig-cc {OPTIONS} main.c -o main\n"
    nothing_compiled = read_program("zig-nothing-compiled.sh")
    assert run_as_another(tiny, name, f"{build}./main\n{nothing_compiled}", folder) == (0, "c says 42\n")
    assert list((folder / "target" / ".zig-cache" / "o").glob("*/libc_nonshared.a")), "else the above says nothing"
