"""The trial of an engine: its program, run on this machine, and its Dockerfile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.engines.inspect import inspect_emulation
from imagefab.engines.trial import make_program, write_trial
from imagefab.platforms import HOST_PLATFORMS, machine_platform


@pytest.mark.parametrize("name", HOST_PLATFORMS)
def test_the_program_becomes_nobody(name: str, tmp_path: Path) -> None:
    """Which only root can."""
    platform = HOST_PLATFORMS[name]
    finding = inspect_emulation(platform)
    require(finding.ok, f"a machine that runs programs of {platform}")
    path = tmp_path / "program"
    path.write_bytes(make_program(platform))
    path.chmod(0o755)
    allowed = subprocess.run([path], check=False).returncode
    assert allowed == (0 if os.geteuid() == 0 else 1)


def test_the_exit_code_where_nobody_does_not_exist(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root")
    path = write_trial(tmp_path, machine_platform()).parent / "become-nobody"
    single = subprocess.run(["unshare", "--user", "--map-root-user", path], check=False)
    assert single.returncode == 22, "in a namespace where nobody is nobody: EINVAL"


def test_the_dockerfile_has_the_target_of_its_platform(tmp_path: Path) -> None:
    for platform in HOST_PLATFORMS.values():
        text = write_trial(tmp_path, platform).read_text()
        assert f"AS image-{platform.oci_arch}\n" in text
        assert text.count("RUN ") == 1
