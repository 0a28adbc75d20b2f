"""Runs of the command line inside this process, in projects that are copies of the shipped one."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engines.fake_engine import FakeEngine
from tests.project_copies import copy_project

from imagefab.cli.main import run_main
from imagefab.flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


NAMES = ["aarch64-gnu", "aarch64-gnu-bookworm", "aarch64-gnu-bullseye", "aarch64-musl", "riscv64gc-gnu", "x86_64-gnu",
         "x86_64-musl"]  # fmt: skip

RunImagefab = Callable[..., Result]


def read_json(result: Result) -> dict[str, Any]:
    value = json.loads(result.out)
    assert value["schema"] == 1
    assert isinstance(value, dict)
    return value


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of its own, no colours, and the signal handlers as they were."""
    monkeypatch.setenv("IMAGEFAB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with some of the shipped recipes; the working folder is inside of it."""
    root = tmp_path / "project"
    copy_project(root, NAMES)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a single recipe, aarch64-gnu; the working folder is inside of it."""
    root = tmp_path / "small-project"
    copy_project(root, ["aarch64-gnu"])
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is outside of any project."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def imagefab(capsys: pytest.CaptureFixture[str]) -> RunImagefab:
    def run(*arguments: str) -> Result:
        capsys.readouterr()
        try:
            code = run_main(arguments)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            code = ended.code
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Engines are this one, nothing is fetched, and every platform can be emulated."""
    made = FakeEngine()
    monkeypatch.setattr("imagefab.flows.build.choose_engine", lambda name, store, *, builder: made)
    monkeypatch.setattr(Workspace, "fetch", lambda self, wanted: None)
    monkeypatch.setattr("imagefab.flows.build.require_emulation", lambda platform: None)
    return made


@pytest.fixture
def build(imagefab: RunImagefab, engine: FakeEngine) -> Callable[..., str]:
    """Builds one recipe; its digest."""

    def build_one(recipe: str, *arguments: str) -> str:
        result = imagefab("-q", "build", recipe, *arguments)
        assert result.code == 0, result.err
        return result.out.strip().partition("@")[2]

    return build_one
