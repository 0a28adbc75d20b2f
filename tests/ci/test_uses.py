"""The CI of projects that use images: golden texts, and the rules of all workflows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.ci.test_workflow import FILES as IMAGES
from tests.ci.test_workflow import GOLDEN, ORIGIN, PINS

from imagefab.ci.artifacts import name_artifacts
from imagefab.ci.services import GITHUB, GITLAB, NONE
from imagefab.ci.uses import compose_toolchain, compose_uses

TRIPLES = ["aarch64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "x86_64-pc-windows-gnu"]
FILES = dict(
    compose_uses(
        [GITHUB, GITLAB], origin=ORIGIN, pins=PINS, namespace="ghcr.io/acme/images", app="app", triples=TRIPLES
    )
)
FLOWS = sorted(name for name in FILES if name.endswith(".yml"))


@pytest.mark.parametrize("name", sorted(FILES))
def test_golden(name: str, check_golden: Callable[[Path, str], None]) -> None:
    check_golden(GOLDEN / "uses" / name.lstrip(".").replace("/", "-"), FILES[name])


def read(name: str) -> dict[Any, Any]:
    value = yaml.safe_load(FILES[name])
    assert isinstance(value, dict)
    return value


def test_files_of_each_service() -> None:
    def compose(service: str) -> list[str]:
        found = compose_uses([service], origin=ORIGIN, pins=PINS, namespace="a.io/b", app="app", triples=TRIPLES)
        return [name for name, _ in found]

    assert compose(NONE) == ["rust-toolchain.toml"]
    assert all(name.startswith((".github", "rust")) for name in compose(GITHUB))
    assert all(name.startswith((".gitlab", "rust")) for name in compose(GITLAB))


@pytest.mark.parametrize("name", FLOWS)
def test_nothing_is_left_to_replace(name: str) -> None:
    assert not re.search("%[A-Z]+%", FILES[name])
    assert max(map(len, FILES[name].splitlines())) <= 120


def test_actions_are_those_of_the_other_workflows() -> None:
    """By commit, and in one version for all."""
    pattern = re.compile(r"uses: (\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")
    used = {one for name in FLOWS for one in pattern.findall(FILES[name])}
    assert used <= {one for text in IMAGES.values() for one in pattern.findall(text)}
    assert sum(FILES[name].count("uses: ") for name in FLOWS) == sum(
        len(pattern.findall(FILES[name])) for name in FLOWS
    )


def test_scripts_get_values_as_variables() -> None:
    for name in (".github/workflows/pins.yml", ".github/workflows/release.yml"):
        for job in read(name)["jobs"].values():
            assert not [step["run"] for step in job["steps"] if "${{" in step.get("run", "")]


def test_only_what_proposes_and_releases_may_write() -> None:
    pins, release = read(".github/workflows/pins.yml"), read(".github/workflows/release.yml")
    assert pins["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert release["permissions"] == {"contents": "read"}
    assert "permissions" not in release["jobs"]["build"]
    assert release["jobs"]["release"]["permissions"] == {"contents": "write"}
    assert release["jobs"]["release"]["if"] == "github.event_name == 'push'"


def test_a_job_for_each_target() -> None:
    matrix = read(".github/workflows/release.yml")["jobs"]["build"]["strategy"]["matrix"]["include"]
    assert [one["target"] for one in matrix] == TRIPLES
    assert [one["artifact"] for one in matrix] == ["app-linux-arm64", "app-linux-amd64", "app-windows-amd64"]
    matrix = read(".gitlab-ci.yml")["build"]["parallel"]["matrix"]
    assert [one["ARTIFACT"] for one in matrix] == ["app-linux-arm64", "app-linux-amd64", "app-windows-amd64"]


def test_artifacts_have_names_of_their_own() -> None:
    others = (
        "aarch64-unknown-linux-musl thumbv7em-none-eabi aarch64-apple-darwin aarch64-linux-android wasm32-wasip1 "
        "riscv64gc-unknown-linux-gnu"
    )
    names = name_artifacts("app", [*TRIPLES, *others.split()])
    assert names["aarch64-unknown-linux-gnu"] == "app-linux-arm64-gnu"
    assert names["aarch64-unknown-linux-musl"] == "app-linux-arm64-musl"
    assert names["x86_64-unknown-linux-musl"] == "app-linux-amd64"
    assert names["aarch64-apple-darwin"] == "app-macos-arm64"
    assert names["aarch64-linux-android"] == "app-android-arm64"
    assert names["thumbv7em-none-eabi"] == "app-thumbv7em-none-eabi"
    assert names["wasm32-wasip1"] == "app-wasi-wasm32"
    assert names["riscv64gc-unknown-linux-gnu"] == "app-linux-riscv64"
    assert len(set(names.values())) == len(names)


def test_the_release_finds_programs(tmp_path: Path) -> None:
    """What the build job's script packs: programs, and neither libraries nor what cargo keeps there."""
    script = read(".github/workflows/release.yml")["jobs"]["build"]["steps"][3]["run"]
    release = tmp_path / "target/t/release"
    (release / "deps").mkdir(parents=True)
    for name, mode in (
        ("tool", 0o755),
        ("tool.d", 0o644),
        ("libx.so", 0o755),
        ("w.exe", 0o644),
        ("deps/tool-1", 0o755),
    ):
        (release / name).write_text(name)
        (release / name).chmod(mode)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "bin/git").chmod(0o755)
    env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "TARGET": "t", "ARTIFACT": "app-t"}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=env, check=True)
    listed = subprocess.run(
        ["tar", "-tf", "app-t.tar.gz"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert sorted(listed.split()) == ["app-t/", "app-t/tool", "app-t/w.exe"]
    (release / "tool").unlink()
    (release / "w.exe").unlink()
    subprocess.run(["rm", "-r", tmp_path / "app-t"], check=True)
    assert subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=env, check=False).returncode


def test_toolchain() -> None:
    import tomllib

    value = tomllib.loads(compose_toolchain(TRIPLES))["toolchain"]
    assert value == {"channel": "stable", "profile": "minimal", "targets": TRIPLES}
