"""The real `cross` builds, runs and tests a workspace in images that imagefab put into Docker and into Cross.toml.

The workspace has a build script, C and C++ behind the `cc` crate, a procedural macro, threads, unwinding in both
languages, and a doc test.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.projects import copy_project
from tests.e2e.support.rust import Rust, provide_cross
from tests.machine import require

pytestmark = pytest.mark.e2e

RECIPES = {
    "x86_64-unknown-linux-gnu": "x86_64-gnu",
    "aarch64-unknown-linux-gnu": "aarch64-gnu",
    "aarch64-unknown-linux-musl": "aarch64-musl",
}
MACHINES = {"x86_64": 62, "aarch64": 183}
"""What an ELF header says."""
PT_INTERP = 3


@dataclass(frozen=True)
class Workspace:
    line: CommandLine
    folder: Path
    cross: Path
    environment: Mapping[str, str]

    def pin(self, triple: str) -> None:
        """Have the target's image in Docker, and in Cross.toml."""
        self.line.run("build", RECIPES[triple], "--engine", "sandbox", "--load")
        self.line.run("cross-toml", RECIPES[triple], "--local", "--file", self.folder / "Cross.toml")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`cross`, as strict as this version can be made: it must succeed, and say nothing of its own."""
        command = [str(self.cross), *arguments, "--locked"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "[cross]" not in done.stderr and "warning" not in done.stderr, done.stderr
        return done


@pytest.fixture(scope="module")
def workspace(shipped: CommandLine, docker: None, rust: Rust, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    require(shutil.which("cc") is not None, "cc")
    cross = provide_cross(rust)
    scratch = tmp_path_factory.mktemp("cross")
    line = copy_project(shipped, scratch / "project")
    folder = scratch / "workspace"
    shutil.copytree(Path(__file__).parent / "support/workspace", folder)
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=folder, env=rust.environment(), check=True)
    return Workspace(line, folder, cross, make_environment(rust, folder))


def make_environment(rust: Rust, folder: Path) -> dict[str, str]:
    """Nothing is to be downloaded from here on, and nothing to be left in the user's home."""
    return rust.environment() | {
        "CARGO_NET_OFFLINE": "true",
        "CROSS_CONTAINER_ENGINE": "docker",
        "XARGO_HOME": str(folder.parent / "xargo"),
    }


@pytest.mark.parametrize(
    "triple", [pytest.param(t, marks=[pytest.mark.prove] if t.endswith("musl") else []) for t in RECIPES]
)
def test_cross(triple: str, workspace: Workspace, request: pytest.FixtureRequest) -> None:
    """The machine's toolchain for the machine's own target, Debian's for the others."""
    arch = triple.partition("-")[0]
    if arch != "x86_64":
        rust = request.getfixturevalue("musl_rust" if triple.endswith("musl") else "debian_rust")
        workspace = replace(workspace, environment=make_environment(rust, workspace.folder))
    workspace.pin(triple)
    workspace.run("build", "--target", triple)
    program = workspace.folder / "target" / triple / "debug" / "program"
    machine, segments = read_elf(program)
    assert machine == MACHINES[arch]
    assert (PT_INTERP in segments) is not triple.endswith("musl"), "musl programs are static, the others are not"

    ran = workspace.run("run", "--package", "program", "--target", triple)
    assert ran.stdout == f"42 on {arch}, compiled on x86_64, caught: true\n"
    assert f"Running `/linux-runner {arch} /target/{triple}/debug/program`" in ran.stderr

    tested = workspace.run("test", "--target", triple)
    assert sorted(re.findall(r"^test (.*) \.\.\. (\w+)$", tested.stdout, re.MULTILINE)) == [
        ("sums/src/lib.rs - sum (line 9)", "ok"),
        ("tests::adds_up", "ok"),
        ("tests::unwinds - should panic", "ok"),
    ]
    assert f"(/target/{triple}/debug/deps/sums-" in tested.stderr


def test_cross_runs_what_was_published(workspace: Workspace, warm: CommandLine, place: str, tmp_path: Path) -> None:
    """From a registry, by the digest that was published; and it is the very image that was built."""
    reference = warm.run("publish", "x86_64-gnu", "--to", place, "--unchecked").stdout.strip()
    folder = Path(shutil.copytree(workspace.folder, tmp_path / "workspace", ignore=shutil.ignore_patterns("target")))
    (folder / "Cross.toml").unlink(missing_ok=True)
    assert warm.run("cross-toml", "x86_64-gnu", "--file", folder / "Cross.toml").stdout.strip() == reference
    built = warm.build("x86_64-gnu")["platforms"]
    (config,) = (one["config"] for one in built.values())
    try:
        ran = replace(workspace, folder=folder).run(
            "run", "--package", "program", "--target", "x86_64-unknown-linux-gnu"
        )
        assert ran.stdout == "42 on x86_64, compiled on x86_64, caught: true\n"
        inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
        assert subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip() == config
    finally:
        subprocess.run(["docker", "rmi", "--force", reference], capture_output=True, check=False)


def test_what_cross_warns_of_is_seen(workspace: Workspace, tmp_path: Path) -> None:
    """Else the test above would not be strict."""
    workspace.pin("x86_64-unknown-linux-gnu")
    config = tmp_path / "Cross.toml"
    config.write_text((workspace.folder / "Cross.toml").read_text() + "no-such-key = true\n")
    warned = replace(workspace, environment={**workspace.environment, "CROSS_CONFIG": str(config)})
    with pytest.raises(AssertionError, match="no-such-key"):
        warned.run("build", "--target", "x86_64-unknown-linux-gnu")


def read_elf(path: Path) -> tuple[int, set[int]]:
    """The machine and the types of the segments, of a 64-bit little-endian program."""
    data = path.read_bytes()
    assert data[:6] == b"\x7fELF\x02\x01"
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return machine, {struct.unpack_from("<I", data, table + size * number)[0] for number in range(count)}
