"""Runs of the command line inside this process, in projects that are copies of the shipped one."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.engines.builders import FakeEngine

from imagefab.cli.main import run_main
from imagefab.cli.session import Session
from imagefab.recipe.project import find_shipped_project


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


NAMES = ["aarch64-gnu", "aarch64-gnu-bookworm", "aarch64-gnu-bullseye", "aarch64-musl", "riscv64gc-gnu", "x86_64-gnu",
         "x86_64-musl"]  # fmt: skip

RunImagefab = Callable[..., Result]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store of its own, no colours, and the signal handlers as they were."""
    monkeypatch.setenv("IMAGEFAB_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with some of the shipped recipes; the working folder is inside of it."""
    shipped = find_shipped_project()
    root = tmp_path / "project"
    shutil.copytree(shipped.bases_dir, root / "recipes" / "bases")
    for schema in shipped.recipes_dir.glob("*.json"):
        shutil.copy(schema, root / "recipes")
    for name in NAMES:
        shutil.copy(shipped.recipes_dir / f"{name}.toml", root / "recipes")
        shutil.copytree(shipped.images_dir / name, root / "images" / name)
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
    monkeypatch.setattr("imagefab.engines.choose.choose_engine", lambda name, store, *, builder: made)
    monkeypatch.setattr(Session, "fetch", lambda self, wanted: None)
    monkeypatch.setattr("imagefab.factory.require_emulation", lambda platform: None)
    return made
