"""Workflows for CI services: golden texts, and rules that can be checked without a CI."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagefab.emit.workflow import GITHUB, GITLAB, GITLAB_JOBS, NONE, compose_workflows

GOLDEN = Path(__file__).parent.parent / "golden" / "workflows"
FILES = dict(compose_workflows([GITHUB, GITLAB], version="1.2.3", registry="registry.example.org"))
FLOWS = sorted(name for name in FILES if name.endswith(".yml"))
WORKFLOWS = [name for name in FLOWS if name.startswith(".github")]


@pytest.mark.parametrize("name", sorted(FILES))
def test_golden(name: str, check_golden: Callable[[Path, str], None]) -> None:
    check_golden(GOLDEN / name.lstrip(".").replace("/", "-"), FILES[name])


def test_files_of_each_service() -> None:
    assert all(".github" in name for name, _ in compose_workflows([GITHUB], version="1", registry="r"))
    assert all(".gitlab" in name for name, _ in compose_workflows([GITLAB], version="1", registry="r"))
    assert not list(compose_workflows([NONE], version="1", registry="r"))


@pytest.mark.parametrize("name", FLOWS)
def test_no_line_is_long(name: str) -> None:
    assert max(map(len, FILES[name].splitlines())) <= 120


def read(name: str) -> dict[Any, Any]:
    value = yaml.safe_load(FILES[name])
    assert isinstance(value, dict)
    return value


def list_steps(name: str) -> Iterator[dict[str, Any]]:
    for job in read(name)["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit(name: str) -> None:
    lines = [line.strip() for line in FILES[name].splitlines() if "uses:" in line]
    assert len(lines) == sum("uses" in step for step in list_steps(name)) > 0
    for line in lines:
        assert re.fullmatch(r"(- )?uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_version() -> None:
    used = {step["uses"] for name in WORKFLOWS for step in list_steps(name) if "uses" in step}
    assert len(used) == len({one.partition("@")[0] for one in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_scripts_get_values_as_variables(name: str) -> None:
    """What an expression puts into a script, somebody else may have written."""
    assert not [step["run"] for step in list_steps(name) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_jobs_may_do_no_more_than_they_need(name: str) -> None:
    flow = read(name)
    assert "permissions" in flow
    for job in flow["jobs"].values():
        allowed = job.get("permissions", flow["permissions"])
        steps = [step.get("run", "") for step in job["steps"]]
        proposes = any("propose" in step for step in steps)
        assert (allowed.get("contents") == "write") == proposes
        assert (allowed.get("pull-requests") == "write") == proposes
        assert (allowed.get("packages") == "write") == any(
            re.search("--push-layers|imagefab publish|--publish", step) for step in steps
        )
        for step in job["steps"]:
            if "actions/checkout" in step.get("uses", ""):
                assert step.get("with", {}).get("persist-credentials", True) == proposes


@pytest.mark.parametrize("name", FLOWS)
def test_no_token_is_an_argument(name: str) -> None:
    """Only builtins of the shell are given one."""
    for line in FILES[name].splitlines():
        if re.search(r"\$\{?(TOKEN|CI_REGISTRY_PASSWORD|login)\b", line):
            assert re.match(r"\W*(login=\$\(printf|\(umask 077; printf|printf) '", line), line


def test_needed_jobs_exist() -> None:
    for name in WORKFLOWS:
        jobs = read(name)["jobs"]
        assert {job["needs"] for job in jobs.values() if "needs" in job} <= jobs.keys()


def test_a_pull_request_shares_nothing() -> None:
    for step in list_steps(".github/workflows/images.yml"):
        if "--push-layers" in step.get("run", "") or "upload" in step.get("uses", ""):
            assert step["if"] == "github.event_name == 'push'"


def test_gitlab_includes_what_is_written() -> None:
    assert GITLAB_JOBS.lstrip("/") in FILES
    assert "build" in read(GITLAB_JOBS.lstrip("/"))


def test_all_scripts_of_gitlab_are_run_by_the_end_to_end_test() -> None:
    """It names the jobs."""
    with_scripts = {
        path: {name for name, job in read(path).items() if isinstance(job, dict) and "script" in job}
        for path in FLOWS
        if "gitlab" in path
    }
    assert with_scripts == {".gitlab-ci.yml": {"plan", "refresh"}, ".gitlab/images.yml": {"build", "publish"}}
