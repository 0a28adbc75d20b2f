"""Cross.toml as real programs read it: `cross` takes and refuses what we say it does, and engines find what we name."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.cross.cross_toml import update_cross_toml
from imagefab.cross.profile import RELEASE
from imagefab.cross.remark import Remark
from imagefab.digest import Digest
from imagefab.oci.image import local_pin
from imagefab.toml.edit import read_data
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import remove_image
from tests.e2e.support.projects import NAMED, add_recipe
from tests.e2e.support.rust import Rust, provide_cross

pytestmark = pytest.mark.e2e

GOLDEN = Path(__file__).parent.parent / "golden" / "cross-toml"
NO_IMAGE = "riscv64gc-unknown-none-elf"
"""A target for which cross has read its file, and then leaves everything to cargo."""

READABLE = [
    "",
    "\ufeff[target.a]\r\nimage = 'x'\r\n",
    "[target]\na.image = 'x'\n[target.b]\nimage = 'y'\n",
    "target = { a = { runner = 'q', image = 'x' }, b.image = 'y' }\n",
    "target.a.runner = 'q'\ntarget.b.image = 'x'\ntarget.a.image = 'y'\n",
    "[target.a.env]\nvolumes = []\n[build]\nbuild-std = false\n[target.a]\nimage = 'x'\n",
    '[target."thumbv8m.base-none-eabi"]\nimage = "x"\n',
    "[target]\nthumbv8m.base-none-eabi.image = 'x'\n",
    "[target.a]\npre-build = 'x'\ndockerfile = { file = 'x', context = '.', build-args = { A = 'b' } }\n",
    "[target.a]\nxargo = true\nbuild-std = true\nrunner = 'x'\nzig = 1\ndefault-target = 'x'\n",
    "[build]\ndefault-target = 'x'\npre-build = ['x']\ndockerfile = 'x'\nrunner = 'x'\nimage = 'x'\n",
    "[build.env]\npassthrough = ['A']\nvolume = 1\n[other]\nx = 1\n",
]
UNREADABLE = [
    "[target.a]\nimage = { name = 'x', toolchain = [] }\n",
    "target.a.image = 'x'\n[target.b]\nimage = 'y'\n",
    "build.xargo = false\n[build.env]\nvolumes = []\n",
    "target = 3\n",
    "build = 3\n",
    "[target]\na = 'x'\n",
    "[build]\nbuild-std = ['core']\n",
    "[build]\nxargo = 'yes'\n",
    "[build]\ndefault-target = ['x']\n",
    "[target.a]\nrunner = true\n",
    "[target.a]\npre-build = 3\n",
    "[target.a]\npre-build = ['x', 3]\n",
    "[target.a]\nenv = 'x'\n",
    "[target.a.env]\nvolumes = 'x'\n",
    "[target.a]\ndockerfile = { context = 'x' }\n",
    "[target.a]\ndockerfile = { file = 'x', build-args = { A = 1 } }\n",
    "[target.a]\ndockerfile = ['x']\n",
]

ReadByCross = Callable[[str], set[str] | None]


@pytest.fixture(scope="module")
def read_by_cross(rust: Rust, tmp_path_factory: pytest.TempPathFactory) -> ReadByCross:
    """The keys that cross does not know in a text; None when it refuses the text."""
    cross = provide_cross(rust)
    folder = tmp_path_factory.mktemp("crate")
    (folder / "Cargo.toml").write_text("[package]\nname = 'none'\nversion = '1.0.0'\nedition = '2021'\n")
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").write_text("")

    def read(text: str) -> set[str] | None:
        (folder / "Cross.toml").write_bytes(text.encode())
        result = subprocess.run(
            [cross, "check", "--target", NO_IMAGE],
            cwd=folder,
            env=rust.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if "failed to parse file" in result.stderr:
            return None
        assert "Falling back to `cargo`" in result.stderr, result.stderr
        unused = re.search(r"found unused key\(s\) in Cross configuration:\n > (.*)", result.stderr)
        return set(unused[1].split(", ")) if unused else set()

    return read


def list_unknown(remarks: tuple[Remark, ...]) -> set[str]:
    return {".".join(map(str, remark.path)) for remark in remarks if "does not know" in remark.text}


@pytest.mark.parametrize("text", READABLE)
def test_what_cross_reads(text: str, read_by_cross: ReadByCross) -> None:
    update = update_cross_toml(text, [], RELEASE)
    assert not update.is_refused
    assert read_by_cross(text) == list_unknown(update.remarks)


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_cross_refuses(text: str, read_by_cross: ReadByCross) -> None:
    assert update_cross_toml(text, [], RELEASE).is_refused
    assert read_by_cross(text) is None


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.glob("release-*")))
def test_what_we_write(case: str, read_by_cross: ReadByCross) -> None:
    text = (GOLDEN / case / "after.toml").read_text()
    update = update_cross_toml(text, [], RELEASE)
    found = read_by_cross(text)
    assert (found is None) == update.is_refused
    if found is not None:
        assert found == list_unknown(update.remarks)


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_loaded_is_found(tiny: CommandLine, tiny_empty: CommandLine, unique: str) -> None:
    add_recipe(tiny, unique, NAMED.format(name=unique, base="debian-trixie"))
    image = tiny.build(unique, "--load")
    file = tiny.folder / "Cross.toml"
    name = tiny.run("cross-toml", unique, "--local", "--file", file).stdout.strip()
    try:
        assert name == local_pin(unique, Digest.parse(image["digest"]))
        assert read_data(file.read_text()) == {"target": {image["target"]: {"image": name}}}
        found = json.loads(subprocess.run(["docker", "inspect", name], capture_output=True, check=True).stdout)
        assert found[0]["Id"] == image["platforms"]["linux/amd64"]["config"]
        run = ["docker", "run", "--rm", "--pull=never", "--network=none", name, "true"]
        subprocess.run(run, check=True)
        tiny.run("cross-toml", unique, "--local", "--file", file, "--check")
        refused = tiny_empty.run("cross-toml", "tiny", "--local", "--file", file, "--check", code=4)
        assert "none is built from its lock" in refused.stderr
    finally:
        remove_image(image["platforms"]["linux/amd64"]["config"])
