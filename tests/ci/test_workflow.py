"""Workflows for CI services: golden texts, and rules that can be checked without a CI."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import distribution, distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagefab.ci.origin import Installation, _list_needs
from imagefab.ci.requirements import BUILT, PINNED, choose_pins, normalise
from imagefab.ci.services import GITHUB, GITLAB, GITLAB_JOBS, NONE
from imagefab.ci.workflow import compose_workflows
from imagefab.recipe.project import find_shipped_project

GOLDEN = Path(__file__).parent.parent / "golden" / "workflows"
ORIGIN = Installation(version="1.2.3", requirement=f"imagefab==1.2.3 --hash=sha256:{'ab' * 32}", needs=("tool",))
SOURCE = replace(ORIGIN, requirement=f"imagefab @ git+https://example.org/x@{'cd' * 20}", is_source=True)
PINS = f"""\
hatchling==1.0 \\
    --hash=sha256:{"00" * 32}
    # via imagefab (pyproject.toml)
Part.of_tool==3.0 \\
    --hash=sha256:{"11" * 32} \\
    --hash=sha256:{"22" * 32}
    # via
    #   other
    #   tool
pathspec==4.0 \\
    --hash=sha256:{"33" * 32}
    # via hatchling
pytest==9.0 \\
    --hash=sha256:{"44" * 32}
    # via imagefab (pyproject.toml)
smaller-part==5.0 \\
    --hash=sha256:{"55" * 32}
    # via part-of-tool
tool==2.0 \\
    --hash=sha256:{"66" * 32}
    # via imagefab (pyproject.toml)
"""
REGISTRY = "registry.example.org"
FILES = dict(compose_workflows([GITHUB, GITLAB], origin=ORIGIN, pins=PINS, registry=REGISTRY))
FLOWS = sorted(name for name in FILES if name.endswith(".yml"))
WORKFLOWS = [name for name in FLOWS if name.startswith(".github")]


@pytest.mark.parametrize("name", sorted(FILES))
def test_golden(name: str, check_golden: Callable[[Path, str], None]) -> None:
    check_golden(GOLDEN / name.lstrip(".").replace("/", "-"), FILES[name])


def test_files_of_each_service() -> None:
    def compose(service: str) -> list[str]:
        return [name for name, _ in compose_workflows([service], origin=ORIGIN, pins=PINS, registry=REGISTRY)]

    assert all(".github" in name for name in compose(GITHUB))
    assert all(".gitlab" in name for name in compose(GITLAB))
    assert not compose(NONE)


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


@pytest.mark.parametrize("name", FLOWS)
def test_a_change_does_not_say_whom_to_trust(name: str) -> None:
    """Whatever reads settings takes those of the branch that a change goes into, but where only merged code runs."""
    merged = {"refresh", "publish"}
    for job, value in read(name).get("jobs", read(name)).items():
        if not isinstance(value, dict) or job in merged:
            continue
        steps = [one for one in value.get("steps", []) if one.get("if") != "github.event_name == 'push'"]
        lines = [line for step in steps for line in step.get("run", "").splitlines()]
        for line in lines + value.get("script", []):
            if re.match(r"imagefab (lock|build|check|gc)\b", line):
                assert re.search(r"\$(TRUST|trust|pins)\b", line), line


def test_pins_of_a_change_are_held_against_the_archive() -> None:
    steps = read(".github/workflows/images.yml")["jobs"]["plan"]["steps"]
    (step,) = [one for one in steps if "--archive" in one.get("run", "")]
    assert step["if"] == "github.event_name == 'pull_request'"
    assert "--archive --trust-from=refs/imagefab/target" in FILES[".gitlab-ci.yml"]


def test_a_change_brings_no_store_and_chooses_no_base() -> None:
    """It may be based on an old commit, which trusted others."""
    for name in (".gitlab-ci.yml", ".gitlab/images.yml"):
        assert "+refs/heads/$CI_MERGE_REQUEST_TARGET_BRANCH_NAME:refs/imagefab/target" in FILES[name]
        assert "--trust-from=$CI_MERGE" not in FILES[name]
    for name in (".github/workflows/images.yml", ".github/workflows/refresh.yml"):
        assert "IMAGEFAB_STORE" not in FILES[name]


def test_a_pull_request_is_a_merge_with_its_base() -> None:
    """HEAD^ is what it goes into, and has to be there."""
    for job in ("plan", "build"):
        checkout = read(".github/workflows/images.yml")["jobs"][job]["steps"][0]
        assert checkout["with"]["fetch-depth"] == 2
    for name in (".gitlab-ci.yml", ".gitlab/images.yml"):
        assert read(name)["variables"]["GIT_DEPTH"] == 0


# -- what they install ------------------------------------------------------------------------------------------------


def list_installs(files: dict[str, str], name: str) -> set[str]:
    return set(re.findall(r"pip .*", files[name]))


@pytest.mark.parametrize("name", FLOWS)
def test_everything_is_installed_by_its_hash(name: str) -> None:
    folder = ".github" if "github" in name else ".gitlab"
    assert list_installs(FILES, name) == {f"pip install --require-hashes -r {folder}/{PINNED}"}
    text = FILES[f"{folder}/{PINNED}"]
    assert ORIGIN.requirement in text.splitlines()
    assert re.findall(r"^([\w.-]+)==", text, re.MULTILINE) == ["imagefab", "Part.of_tool", "smaller-part", "tool"]
    assert "--only-binary :all:" in text


def test_a_commit_is_built_with_what_is_pinned() -> None:
    files = dict(compose_workflows([GITHUB, GITLAB], origin=SOURCE, pins=PINS, registry=REGISTRY))
    for name in FLOWS:
        folder = ".github" if "github" in name else ".gitlab"
        flow = yaml.safe_load(files[name])
        assert list_installs(files, name) == {
            f"pip install --require-hashes -r {folder}/{PINNED}",
            f"pip install --no-deps --no-build-isolation -r {folder}/{BUILT}",
        }
        text = files[f"{folder}/{PINNED}"]
        assert "imagefab" not in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
        assert "hatchling==1.0" in text and "pathspec==4.0" in text
        assert files[f"{folder}/{BUILT}"].splitlines()[-1] == SOURCE.requirement
        for job in flow.get("jobs", {}).values():
            runs = [step["run"] for step in job["steps"] if step.get("run", "").startswith("pip")]
            assert len(runs) == 2


def test_where_it_comes_from_may_have_to_be_filled_in() -> None:
    unknown = replace(ORIGIN, requirement=None, reason="nobody knows")
    files = dict(compose_workflows([GITHUB], origin=unknown, pins=PINS, registry=REGISTRY))
    lines = files[f".github/{PINNED}"].splitlines()
    assert "imagefab @ FILL-IN" in lines
    assert "# It can't be known: nobody knows." in lines
    assert f".github/{BUILT}" not in files


def test_what_it_needs_is_pinned() -> None:
    """Of the real one: all that it needs, and nothing that only tests need."""
    pins = (find_shipped_project().root / "requirements.txt").read_text()
    chosen = re.findall(r"^([\w.-]+)==", choose_pins(pins, [*_list_needs(distribution("imagefab"))]), re.MULTILINE)
    assert {"deflate", "httpx", "httpcore", "h11", "pysequoia", "rich", "pygments"} <= set(chosen)
    assert not {"pytest", "ruff", "mypy", "hatchling"} & set(chosen)
    installed = {one.metadata["Name"].lower() for one in distributions()}
    assert set(chosen) <= {normalise(name) for name in installed}


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
