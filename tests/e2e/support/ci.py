"""CIs in small: they run the scripts of workflows, with the variables and files that GitHub and GitLab give them.

Whatever they do not know makes them fail: an expression, a condition, an action. What can't be run here is recorded:
pip, apt-get, sudo, mount, and GitHub's own program gh, of which the options that workflows use are known here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.support.stores import copy_store

_GH = """\
#!{python}
import argparse, json, os, pathlib, sys
state = pathlib.Path({state!r})
assert os.environ["GH_TOKEN"] == {token!r}
parser = argparse.ArgumentParser(allow_abbrev=False)
noun = parser.add_subparsers(required=True).add_parser("pr").add_subparsers(dest="verb", required=True)
listing, create, edit = (noun.add_parser(name, allow_abbrev=False) for name in ("list", "create", "edit"))
for name in ("--head", "--state", "--json", "--jq"):
    listing.add_argument(name, required=True)
for name in ("--base", "--head", "--title", "--body-file"):
    create.add_argument(name, required=True)
edit.add_argument("number")
for name in ("--title", "--body-file"):
    edit.add_argument(name, required=True)
given = parser.parse_args()
opened = json.loads(state.read_text()) if state.exists() else []
if given.verb == "list":
    assert (given.state, given.json, given.jq) == ("open", "number", ".[].number")
    for number, one in enumerate(opened):
        if one["head"] == given.head:
            print(number)
    sys.exit()
told = {{"title": given.title, "body": pathlib.Path(given.body_file).read_text()}}
if given.verb == "create":
    assert all(one["head"] != given.head for one in opened), "there is one already"
    opened.append({{"base": given.base, "head": given.head, "edits": 0, **told}})
else:
    opened[int(given.number)] |= told
    opened[int(given.number)]["edits"] += 1
state.write_text(json.dumps(opened))
"""

TOKEN = "the-jobs-token"
REGISTRY_TOKEN = "the-registrys-token"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What jobs find on the machines of a CI: programs on PATH. Each job has its own checkout and its own store."""

    folder: Path
    registry: str
    origin: Path
    cache: Path
    """The store that an earlier pipeline left in the CI's cache."""
    recorded: Path = field(init=False)
    opened: Path = field(init=False)
    """What gh was told."""

    def __post_init__(self) -> None:
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        object.__setattr__(self, "recorded", self.folder / "recorded")
        object.__setattr__(self, "opened", self.folder / "pull-requests.json")
        scripts = {
            "imagefab": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imagefab "$@"\n',
            "gh": _GH.format(python=sys.executable, state=str(self.opened), token=TOKEN),
        }
        for name in ("pip", "apt-get", "sudo", "mount"):
            scripts[name] = f'#!/bin/sh\necho "{name} $*" >>{shlex.quote(str(self.recorded))}\n'
        for name, text in scripts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        path = f"{self.folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return kept | {"PATH": path, "HOME": str(home), "CI": "true", "LANG": "C.UTF-8"}

    def check_out(self, folder: Path, reference: str, *, depth: int | None) -> None:
        def git(*arguments: str) -> None:
            subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)

        folder.mkdir(parents=True)
        git("init", "--quiet")
        git("remote", "add", "origin", self.origin.as_uri())
        git("fetch", *([f"--depth={depth}"] if depth else []), "origin", reference)
        git("checkout", "--quiet", "--detach", "FETCH_HEAD")

    def run(self, script: str, folder: Path, variables: Mapping[str, str]) -> str:
        """As both do it: one bash, which ends at the first command that fails. What it said."""
        (folder.parent / "script.sh").write_text(script)
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", folder.parent / "script.sh"],
            cwd=folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert TOKEN not in result.stdout + result.stderr
        assert REGISTRY_TOKEN not in result.stdout + result.stderr
        if result.returncode:
            raise ScriptError(f"exit code {result.returncode}\n{script}\n{result.stdout}\n{result.stderr}")
        return result.stdout + result.stderr

    def read_opened(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.opened.read_text()) if self.opened.exists() else []
        return found


class ScriptError(Exception):
    """A script failed."""


# -- GitHub -----------------------------------------------------------------------------------------------------------


class GitHub:
    """Runs the jobs of a workflow file in the order in which they stand there."""

    def __init__(self, machine: Machine, event: str, reference: str) -> None:
        self._machine = machine
        self._event = event
        self._reference = reference
        self._folder = machine.folder / "github"
        self._runs = 0
        self.done: dict[str, str] = {}
        """The scripts that were run, and what each said the last time."""

    def run(self, path: str) -> None:
        machine = self._machine
        self._runs += 1
        root = self._folder / f"{self._event}-{self._runs}-{Path(path).stem}"
        machine.check_out(root / "read", self._reference, depth=1)
        flow = yaml.safe_load((root / "read" / path).read_text())
        assert self._event in flow[True], "YAML has `on` for true"
        assert flow["defaults"] == {"run": {"shell": "bash"}}
        artifacts = root / "artifacts"
        outputs: dict[str, dict[str, str]] = {}
        for name, job in flow["jobs"].items():
            context = {
                "github.event_name": self._event,
                "github.token": TOKEN,
                "github.actor": "somebody",
                "secrets.REGISTRY_NAME": "somebody",
                "secrets.REGISTRY_TOKEN": REGISTRY_TOKEN,
                "runner.temp": None,
                **{
                    f"needs.{one}.outputs.{key}": value
                    for one, found in outputs.items()
                    for key, value in found.items()
                },
            }
            needed = job.get("needs")
            if (needed is not None and needed not in outputs) or not self._holds(job.get("if"), context):
                continue
            turns: list[dict[str, str]] = [{}]
            if "strategy" in job:
                turns = json.loads(self._fill(job["strategy"]["matrix"], context))["include"]
                assert turns
            for number, turn in enumerate(turns):
                matrix = {f"matrix.{key}": value for key, value in turn.items()}
                assert self._fill(job["runs-on"], context | matrix).startswith("ubuntu-24.04")
                variables = {key: self._fill(str(value), context) for key, value in flow["env"].items()}
                work = _Work(self, root / f"{name}-{number}", artifacts, context | matrix, variables)
                outputs[name] = work.run(job)

    def _holds(self, condition: str | None, context: Mapping[str, str | None]) -> bool:
        """Whether a condition is true. Those that workflows have are known here."""
        if condition is None or "!cancelled()" in condition:
            return True
        found = re.fullmatch(r"([\w.]+) (==|!=) '(.*)'", condition)
        assert found is not None, f"unknown condition: {condition}"
        return (context[found[1]] == found[3]) == (found[2] == "==")

    def _fill(self, text: str, context: Mapping[str, str | None]) -> str:
        def evaluate(found: re.Match[str]) -> str:
            expression = found[1].strip()
            if (inner := re.fullmatch(r"fromJSON\((.*)\)", expression)) is not None:
                expression = inner[1]
            if (choice := re.fullmatch(r"(.+) && '(.*)' \|\| '(.*)'", expression)) is not None:
                return choice[2] if self._holds(choice[1], context) else choice[3]
            value = "locks" if expression == "hashFiles('images/**/imagefab.lock')" else context[expression]
            assert value is not None
            return value

        return re.sub(r"\$\{\{(.*?)\}\}", evaluate, str(text))


class _Work:
    """One job on its machine."""

    def __init__(
        self, hub: GitHub, folder: Path, artifacts: Path, context: Mapping[str, str | None], variables: dict[str, str]
    ) -> None:
        self._hub = hub
        self._artifacts = artifacts
        self._checkout = folder / "checkout"
        self._temp = folder / "temp"
        self._temp.mkdir(parents=True)
        self._store = folder / "home/.cache/imagefab"
        self._context = {**context, "runner.temp": str(self._temp)}
        self._variables = variables | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": hub._event,
            "GITHUB_REF_NAME": hub._reference.removeprefix("refs/heads/"),
            "RUNNER_TEMP": str(self._temp),
            "HOME": str(folder / "home"),
        }
        self._saved: list[Path] = []

    def run(self, job: Mapping[str, Any]) -> dict[str, str]:
        hub = self._hub
        self._variables |= {key: hub._fill(value, self._context) for key, value in job.get("env", {}).items()}
        for step in job["steps"]:
            if not hub._holds(step.get("if"), self._context):
                continue
            if "uses" in step:
                given = {key: hub._fill(value, self._context) for key, value in step.get("with", {}).items()}
                self._use(step["uses"].partition("@")[0], given)
            else:
                self._run_script(step)
        for saved in self._saved:
            shutil.rmtree(saved, ignore_errors=True)
            shutil.copytree(self._store, saved, copy_function=os.link)
        return {key: hub._fill(value, self._context) for key, value in job.get("outputs", {}).items()}

    def _run_script(self, step: Mapping[str, Any]) -> None:
        output, env = self._temp / "output", self._temp / "env"
        for path in (output, env):
            path.write_text("")
        variables = {key: self._hub._fill(value, self._context) for key, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_ENV": str(env)}
        told = self._hub._machine.run(step["run"], self._checkout, self._variables | files | variables)
        self._hub.done[step["run"]] = told
        self._variables |= dict(_read_pairs(env))
        for key, value in _read_pairs(output):
            self._context[f"steps.{step['id']}.outputs.{key}"] = value

    def _use(self, action: str, given: dict[str, str]) -> None:
        match action:
            case "actions/checkout":
                depth = int(given.pop("fetch-depth", "1"))
                self._hub._machine.check_out(self._checkout, self._hub._reference, depth=depth)
                assert given.keys() <= {"persist-credentials"}
            case "actions/setup-python":
                assert given.keys() == {"python-version"}
            case "actions/cache":
                assert given["path"] == "~/.cache/imagefab"
                caches = self._hub._folder / "caches"
                caches.mkdir(exist_ok=True)
                keys = (given["key"], *given["restore-keys"].split())
                found = next((found for key in keys if (found := sorted(caches.glob(f"{key}*")))), [])
                copy_store(found[-1] if found else self._hub._machine.cache, self._store)
                self._saved.append(caches / given["key"])
            case "actions/upload-artifact":
                target = self._artifacts / given["name"]
                target.mkdir(parents=True)
                shutil.copy(self._checkout / given["path"], target)
            case "actions/download-artifact":
                for artifact in self._artifacts.glob(given["pattern"]):
                    shutil.copytree(artifact, Path(given["path"]) / artifact.name)
            case _:
                raise AssertionError(f"unknown action: {action}")


def _read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        name, mark, value = line.partition("=")
        assert mark
        yield name, value


# -- GitLab -----------------------------------------------------------------------------------------------------------


class GitLab:
    """Runs jobs of .gitlab-ci.yml, and of the child pipeline that one of them makes."""

    def __init__(self, machine: Machine, reference: str, variables: Mapping[str, str]) -> None:
        self._machine = machine
        self._reference = reference
        self._root = machine.folder / "gitlab" / variables["CI_PIPELINE_SOURCE"]
        self._cache = machine.folder / "gitlab" / "cache"
        self.told: dict[str, str] = {}
        """What each job said."""
        self._variables = {
            "GITLAB_CI": "true",
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_URL": machine.origin.as_uri().removesuffix(".git"),
            "CI_REGISTRY": machine.registry,
            "CI_REGISTRY_USER": "somebody",
            "CI_REGISTRY_PASSWORD": REGISTRY_TOKEN,
            "IMAGEFAB_TOKEN": "a-project-token",
            **variables,
        }

    def run(self, *names: str) -> None:
        flow = yaml.safe_load(self._read(".gitlab-ci.yml"))
        for name in names:
            self.told[name] = self._run_job(flow, name, {})

    def read_jobs(self) -> dict[Any, Any]:
        value = yaml.safe_load((self._root / "artifacts/jobs.yml").read_text())
        assert isinstance(value, dict)
        return value

    def run_child(self, *names: str) -> None:
        """The child pipeline: what it includes, and what it adds to that."""
        child = self.read_jobs()
        flow = yaml.safe_load(self._read(child["include"][0]["local"].lstrip("/")))
        for name in names:
            for turn in child.get(name, {}).get("parallel", {}).get("matrix", [{}]):
                self.told[name] = self._run_job(flow, name, turn)

    def _read(self, path: str) -> str:
        folder = self._root / "read"
        if not folder.exists():
            self._machine.check_out(folder, self._reference, depth=1)
        return (folder / path).read_text()

    def _run_job(self, flow: Mapping[str, Any], name: str, turn: Mapping[str, str]) -> str:
        job = flow[name]
        folder = self._root / "-".join([name, *turn.values()]).replace("/", "-") / "checkout"
        self._machine.check_out(folder, self._reference, depth=None)
        artifacts = self._root / "artifacts"
        if artifacts.exists():
            shutil.copytree(artifacts, folder, dirs_exist_ok=True)
        if "cache" in job:
            assert job["cache"]["paths"] == [".imagefab"]
            copy_store(self._cache if self._cache.exists() else self._machine.cache, folder / ".imagefab")
        variables = {**self._variables, **{key: str(value) for key, value in flow["variables"].items()}, **turn}
        told = self._machine.run("\n".join(flow["default"]["before_script"] + job["script"]), folder, variables)
        if "cache" in job and not self._cache.exists():
            shutil.copytree(folder / ".imagefab", self._cache, copy_function=os.link)
        for path in job.get("artifacts", {}).get("paths", []):
            if (folder / path).is_dir():
                shutil.copytree(folder / path, artifacts / path, dirs_exist_ok=True)
            else:
                artifacts.mkdir(exist_ok=True)
                shutil.copy(folder / path, artifacts)
        return told
