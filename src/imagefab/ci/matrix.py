"""CI jobs, one for each recipe and host platform, in the form that a CI service expands as a matrix.

Each job runs on a machine of its platform, so nothing is emulated. GitHub takes the matrix as one line of JSON through
`fromJSON`. GitLab takes a child pipeline, for which JSON works since it is YAML: it has only the matrix, and includes
the file in which people read and edit what the jobs do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagefab.ci.services import GITLAB_JOBS
from imagefab.platforms import HOST_PLATFORMS

GITHUB, GITLAB, JSON, NAMES = "github", "gitlab", "json", "names"
FORMATS = (GITHUB, GITLAB, JSON, NAMES)

RUNNERS: Mapping[str, Mapping[str, str]] = {
    GITHUB: {"linux/amd64": "ubuntu-24.04", "linux/arm64": "ubuntu-24.04-arm"},
    GITLAB: {"linux/amd64": "saas-linux-small-amd64", "linux/arm64": "saas-linux-small-arm64"},
}
"""Runners that the two services offer to everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    recipe: str
    platform: str
    runner: str
    """The label of the runner."""

    @property
    def fields(self) -> dict[str, str]:
        arch = HOST_PLATFORMS[self.platform].oci_arch
        return {"recipe": self.recipe, "platform": self.platform, "arch": arch, "runner": self.runner}


def make_jobs(recipes: Mapping[str, Sequence[str]], runners: Mapping[str, str]) -> tuple[Job, ...]:
    """Make the jobs, given each recipe's host platforms and each platform's runner label."""
    return tuple(
        Job(recipe=recipe, platform=platform, runner=runners[platform])
        for recipe, platforms in recipes.items()
        for platform in platforms
    )


def render_github(jobs: Sequence[Job]) -> str:
    """Print the matrix on one line, as a job's output must be."""
    return json.dumps({"include": [job.fields for job in jobs]}, separators=(",", ":")) + "\n"


def render_gitlab(jobs: Sequence[Job]) -> str:
    if not jobs:
        # A pipeline without jobs fails.
        return _print_lines({"nothing to build": {"script": ["true"]}})
    matrix = [{name.upper(): value for name, value in job.fields.items()} for job in jobs]
    return _print_lines({"include": [{"local": GITLAB_JOBS}], "build": {"parallel": {"matrix": matrix}}})


def render_names(jobs: Sequence[Job]) -> str:
    return "".join(f"{recipe}\n" for recipe in dict.fromkeys(job.recipe for job in jobs))


def _print_lines(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"
