"""The built package works outside the source tree, with the recipes and locks that ship inside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.e2e.support.command_line import ROOT

pytestmark = pytest.mark.e2e


def test_the_wheel_brings_recipes_and_keys(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("imagefab-*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths = os.pathsep.join([str(installed), sysconfig.get_path("purelib")])
    # Isolated from the editable install: its .pth file is not read when the packages are merely on the path.
    code = (
        "import imagefab, sys; from imagefab.cli.main import run_main; "
        f"assert imagefab.__file__.startswith({str(installed)!r}); sys.exit(run_main(sys.argv[1:]))"
    )
    command = [sys.executable, "-S", "-c", code, "--store", str(tmp_path / "store")]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": paths}
    listed = subprocess.run(
        [*command, "list", "--json"], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    recipes = {row["recipe"]: row["lock"] for row in json.loads(listed.stdout)["recipes"]}
    assert recipes["aarch64-musl"] == "locked"
    assert set(recipes.values()) == {"locked"}
    refused = subprocess.run([*command, "lock"], cwd=elsewhere, env=environment, capture_output=True, check=False)
    assert refused.returncode == 2
    started = subprocess.run(
        [*command, "init", "new"], cwd=elsewhere, env=environment, capture_output=True, check=False
    )
    assert started.returncode == 0, started.stderr
    assert (elsewhere / "new/.github/workflows/images.yml").is_file()
    pins = (elsewhere / "new/.github/imagefab-requirements.txt").read_text()
    assert "\ndeflate==0.9.0 " in pins, "what it needs comes along"
    keys = list((installed / "imagefab/debian/keys").glob("*.gpg"))
    assert len(keys) == len(list((ROOT / "src/imagefab/debian/keys").glob("*.gpg"))) > 0


@pytest.mark.prove
@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_tools_install_it(tool: str, tmp_path: Path) -> None:
    """From the wheel, into an environment of its own, as the README says."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("imagefab-*.whl")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "tools"], check=True)
    subprocess.run([tmp_path / "tools/bin/pip", "install", "--quiet", tool], check=True)
    programs = tmp_path / "bin"
    env = os.environ | {
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(programs),
        "UV_TOOL_DIR": str(tmp_path / "uv"),
        "UV_TOOL_BIN_DIR": str(programs),
        "IMAGEFAB_STORE": str(tmp_path / "store"),
    }
    words = ["install"] if tool == "pipx" else ["tool", "install"]
    subprocess.run([tmp_path / "tools/bin" / tool, *words, wheel], env=env, check=True, capture_output=True)
    listed = subprocess.run(
        [programs / "imagefab", "list", "--json"], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
    )
    assert "aarch64-musl" in listed.stdout
