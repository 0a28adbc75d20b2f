"""Matrices of jobs, in the formats of CI services."""

from __future__ import annotations

import json

import pytest
import yaml

from imagefab.ci.matrix import RUNNERS, Job, make_jobs, render_github, render_gitlab, render_names
from imagefab.platforms import HOST_PLATFORMS

RECIPES = {"one": ["linux/amd64", "linux/arm64"], "two": ["linux/arm64"], "none": []}


@pytest.fixture
def jobs() -> tuple[Job, ...]:
    return make_jobs(RECIPES, {"linux/amd64": "small", "linux/arm64": "arm"})


def test_a_job_for_each_recipe_and_platform(jobs: tuple[Job, ...]) -> None:
    assert [(job.recipe, job.platform, job.runner) for job in jobs] == [
        ("one", "linux/amd64", "small"),
        ("one", "linux/arm64", "arm"),
        ("two", "linux/arm64", "arm"),
    ]


def test_github_has_one_line(jobs: tuple[Job, ...]) -> None:
    text = render_github(jobs)
    assert text.count("\n") == 1
    (first, *_) = json.loads(text)["include"]
    assert first == {"recipe": "one", "platform": "linux/amd64", "arch": "amd64", "runner": "small"}


def test_no_jobs() -> None:
    """The workflow compares with exactly this text."""
    assert render_github([]) == '{"include":[]}\n'
    assert render_names([]) == ""
    (job,) = yaml.safe_load(render_gitlab([])).values()
    assert job["script"]


def test_gitlab(jobs: tuple[Job, ...]) -> None:
    pipeline = yaml.safe_load(render_gitlab(jobs))
    assert pipeline["include"] == [{"local": "/.gitlab/images.yml"}]
    (build,) = (value for name, value in pipeline.items() if name != "include")
    assert [one["RUNNER"] for one in build["parallel"]["matrix"]] == ["small", "arm", "arm"]
    assert build["parallel"]["matrix"][2] == {
        "RECIPE": "two",
        "PLATFORM": "linux/arm64",
        "ARCH": "arm64",
        "RUNNER": "arm",
    }


def test_names(jobs: tuple[Job, ...]) -> None:
    assert render_names(jobs) == "one\ntwo\n"


def test_all_platforms_have_machines() -> None:
    assert all(runners.keys() == HOST_PLATFORMS.keys() for runners in RUNNERS.values())
