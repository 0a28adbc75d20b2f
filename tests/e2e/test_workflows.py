"""What `imagefab init` writes for GitHub and GitLab, run: every line of every script, on a registry with a login.

A project goes its way on both: a pull request, its merge, and some nights. See ci.py for what stands in for them.
"""

from __future__ import annotations

import platform
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.support.ci import REGISTRY_TOKEN, GitHub, GitLab, Machine, ScriptError
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.registry import guard_registry, serve_registry
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = """\
description = "binaries for the machine itself"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "trixie"
platforms = ["linux/amd64"]
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    """A stock registry on loopback that wants the token of the jobs."""
    with serve_registry(tmp_path, auth=guard_registry(tmp_path, "somebody", REGISTRY_TOKEN)) as host:
        yield host


class Author:
    """Who works on the project."""

    def __init__(self, folder: Path, origin: Path) -> None:
        self.folder, self.origin = folder / "work", origin
        self.line = CommandLine(folder / "authors-store", self.folder)
        origin.mkdir()
        self._run("init", "--quiet", "--bare", "--initial-branch=main", folder=origin)
        self._run("config", "receive.advertisePushOptions", "true", folder=origin)
        hook = origin / "hooks/post-receive"
        hook.write_text('#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_ | sort >>"$GIT_DIR/options" || true\n')
        hook.chmod(0o755)
        self.folder.mkdir()
        self._run("init", "--quiet", "--initial-branch=main")
        self._run("remote", "add", "origin", origin.as_uri())

    def commit(self, message: str) -> None:
        self._run("add", ".")
        self._run("commit", "--quiet", "--message", message)

    def push(self, target: str) -> None:
        self._run("push", "--quiet", "origin", f"HEAD:{target}")

    def merge(self, branch: str) -> None:
        self._run("fetch", "--quiet", "origin", branch)
        self._run("merge", "--quiet", "--no-ff", "--message", "Merge", "FETCH_HEAD")

    def branch(self, name: str) -> None:
        self._run("checkout", "--quiet", "-B", name)

    def switch(self, name: str) -> None:
        self._run("checkout", "--quiet", name)

    def give_the_night_work(self) -> None:
        """The archive has nothing new while a test runs. A Dockerfile that somebody edited is as good."""
        with (self.folder / DOCKERFILE).open("a") as file:
            file.write("# edited\n")
        self.commit("An edit")
        self.push("main")

    def ask(self, *arguments: str) -> str:
        return self._run(*arguments)

    def _run(self, *arguments: str, folder: Path | None = None) -> str:
        settings = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
        command = ["git", *settings, *arguments]
        return subprocess.run(
            command, cwd=folder or self.folder, check=True, capture_output=True, text=True
        ).stdout.strip()


@pytest.fixture
def author(guarded: str, tmp_path: Path) -> Author:
    """A project as `imagefab init` leaves it, but with another recipe, which is in a pull request."""
    require(platform.machine() == "x86_64", "an x86_64 machine")
    author = Author(tmp_path, tmp_path / "origin.git")
    author.line.run("init", "--to", f"{guarded}/team")
    (author.folder / "recipes/aarch64-musl.toml").unlink()
    author.commit("Start")
    author.push("main")
    author.branch("change")
    (author.folder / "recipes/native.toml").write_text(RECIPE)
    author.line.run("lock")
    author.line.run("render")
    author.commit("A recipe")
    author.push("change")
    # What GitHub makes of a pull request: its merge.
    author.branch("merged")
    author.ask("reset", "--quiet", "--hard", "main")
    author.merge("change")
    author.push("refs/pull/1/merge")
    author.switch("main")
    return author


def list_scripts(folder: Path, path: str) -> set[str]:
    """What a workflow of GitHub's has of scripts."""
    jobs = yaml.safe_load((folder / path).read_text())["jobs"].values()
    return {step["run"] for job in jobs for step in job["steps"] if "run" in step}


DOCKERFILE = "images/native/Dockerfile"
IMAGES, REFRESH = ".github/workflows/images.yml", ".github/workflows/refresh.yml"


def test_github(author: Author, guarded: str, flagship: CommandLine, tmp_path: Path) -> None:
    machine = Machine(folder=tmp_path / "machine", registry=guarded, origin=author.origin, cache=flagship.store)
    asked = GitHub(machine, "pull_request", "refs/pull/1/merge")
    asked.run(IMAGES)
    assert not machine.read_opened()

    author.merge("change")
    author.push("main")
    merged = GitHub(machine, "push", "refs/heads/main")
    merged.run(IMAGES)
    assert asked.done.keys() | merged.done.keys() == list_scripts(author.folder, IMAGES)
    (published_by,) = (told for script, told in merged.done.items() if "imagefab publish" in script)
    assert "nothing to build" in published_by, "what was tested is what is published"
    (recorded,) = machine.read_opened()
    assert (recorded["base"], recorded["head"], recorded["edits"]) == ("main", "imagefab/published", 0)
    reference = recorded["body"].strip()
    assert re.fullmatch(rf"{guarded}/team/native@sha256:[0-9a-f]{{64}}", reference)

    author.merge("imagefab/published")
    author.push("main")
    changed = author.ask("diff", "--name-only", "HEAD^1", "HEAD").split()
    assert changed == ["images/native/checked.toml", "images/native/published.toml"]
    published = tomllib.loads((author.folder / "images/native/published.toml").read_text())
    assert f"{published['name']}@{published['digest']}" == reference
    merged.done.clear()
    merged.run(IMAGES)
    assert not any("imagefab build" in script for script in merged.done), "nothing is left to do"

    night = GitHub(machine, "schedule", "refs/heads/main")
    night.run(REFRESH)
    assert len(machine.read_opened()) == 1, "nothing is new"
    author.give_the_night_work()
    for turn in (0, 1):
        night.run(REFRESH)
        _, refreshed = machine.read_opened()
        assert (refreshed["base"], refreshed["head"], refreshed["edits"]) == ("main", "imagefab/refresh", turn)
        assert reference in refreshed["body"]
    assert night.done.keys() == list_scripts(author.folder, REFRESH)
    author.merge("imagefab/refresh")
    assert author.ask("diff", "--name-only", "HEAD^1", "HEAD") == DOCKERFILE
    installed = {line for line in machine.recorded.read_text().splitlines() if line.startswith("pip")}
    assert installed == {"pip install --require-hashes -r .github/imagefab-requirements.txt"}


def test_github_says_no(author: Author, guarded: str, flagship: CommandLine, tmp_path: Path) -> None:
    """A stale lock ends the pull request's job before anything is built."""
    machine = Machine(folder=tmp_path / "machine", registry=guarded, origin=author.origin, cache=flagship.store)
    author.merge("change")
    with (author.folder / "recipes/native.toml").open("a") as file:
        file.write('[env]\nA = "b"\n')
    author.commit("No lock")
    author.push("main")
    with pytest.raises(ScriptError, match=r"exit code 4\nimagefab lock --check"):
        GitHub(machine, "push", "refs/heads/main").run(IMAGES)


@pytest.mark.prove
def test_gitlab(author: Author, guarded: str, flagship: CommandLine, tmp_path: Path) -> None:
    machine = Machine(folder=tmp_path / "machine", registry=guarded, origin=author.origin, cache=flagship.store)
    base = author.ask("rev-parse", "main")
    request = {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }
    asked = GitLab(machine, "refs/heads/change", request)
    asked.run("plan")
    asked.run_child("build")

    author.merge("change")
    author.push("main")
    merged = GitLab(machine, "refs/heads/main", {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"})
    merged.run("plan")
    merged.run_child("build", "publish")
    assert "nothing to build" in merged.told["publish"]
    options = (author.origin / "options").read_text()
    assert "merge_request.create" in options
    assert "merge_request.target=main" in options
    assert "merge_request.title=Record what was published" in options
    author.ask("fetch", "--quiet", "origin", "imagefab/published")
    assert f"{guarded}/team/native@sha256:" in author.ask("log", "-1", "--format=%b", "FETCH_HEAD")

    author.merge("imagefab/published")
    author.give_the_night_work()
    night = GitLab(machine, "refs/heads/main", {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"})
    night.run("refresh")
    author.ask("fetch", "--quiet", "origin", "imagefab/refresh")
    assert "# Images refreshed" in author.ask("log", "-1", "--format=%b", "FETCH_HEAD")

    author.merge("imagefab/refresh")
    author.push("main")
    again = GitLab(machine, "refs/heads/main", {"CI_PIPELINE_SOURCE": "web", "CI_COMMIT_BRANCH": "main"})
    again.run("plan")
    assert "include" not in again.read_jobs()
