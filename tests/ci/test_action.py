"""What other tools read at the top of this repository: the action for GitHub, and hooks for pre-commit."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml
from tests.ci.test_workflow import FILES as WORKFLOWS

from imagefab.cli.main import make_parser

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]


def test_actions_are_those_of_the_workflows() -> None:
    pattern = re.compile(r"uses: (\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")
    used = pattern.findall((ROOT / "action.yml").read_text())
    assert len(used) == sum("uses" in step for step in STEPS)
    assert set(used) <= {one for text in WORKFLOWS.values() for one in pattern.findall(text)}


def test_scripts_get_values_as_variables() -> None:
    for step in STEPS:
        if "run" in step:
            assert step["shell"] == "bash"
            assert "${{" not in step["run"]


def test_all_inputs_are_described_and_used() -> None:
    text = (ROOT / "action.yml").read_text()
    for name, about in ACTION["inputs"].items():
        assert about["description"]
        assert f"inputs.{name}" in text


def test_the_login(tmp_path: Path) -> None:
    script = STEPS[-1]["run"]
    env = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "GITHUB_ENV": str(tmp_path / "env"),
           "REGISTRY": "ghcr.io", "NAME": "me", "TOKEN": "open sesame"}  # fmt: skip
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, check=True)
    assert json.loads((tmp_path / "auth.json").read_text()) == {"auths": {"ghcr.io": {"auth": "bWU6b3BlbiBzZXNhbWU="}}}
    assert (tmp_path / "auth.json").stat().st_mode & 0o77 == 0
    assert (tmp_path / "env").read_text() == f"REGISTRY_AUTH_FILE={tmp_path}/auth.json\n"


def test_what_it_installs_is_there() -> None:
    assert (ROOT / "requirements.txt").is_file()
    needs = (ROOT / "requirements.txt").read_text()
    assert re.search(r"^hatchling==", needs, re.MULTILINE), "it builds without isolation"


def test_hooks_are_commands() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["imagefab-lock", "imagefab-render", "imagefab-cross-toml"]
    for hook in hooks:
        program, *words = shlex.split(hook["entry"])
        assert program == "imagefab"
        make_parser().parse_args(words)
        assert hook["language"] == "python"
    files = {hook["id"]: re.compile(hook["files"]) for hook in hooks}
    assert files["imagefab-lock"].match("recipes/bases/trixie.toml")
    assert files["imagefab-lock"].match("images/a/imagefab.lock")
    assert files["imagefab-render"].match("images/a/Dockerfile")
    assert files["imagefab-cross-toml"].match("Cross.toml")
    assert not files["imagefab-cross-toml"].match("src/Cross.toml")
