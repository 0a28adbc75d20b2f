"""`imagefab run`: its options."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab

from imagefab.cli.arguments import read_binds
from imagefab.errors import UsageError


def test_binds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a:b", "sdk", "home/ndk"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = read_binds([f"{tmp_path}/a:b:/opt/a", "sdk:/opt//sdk/", "~/ndk:/opt/x/../ndk"])
    assert found == (
        (f"{tmp_path}/a:b", "/opt/a"),
        (f"{tmp_path}/sdk", "/opt/sdk"),
        (f"{tmp_path}/home/ndk", "/opt/ndk"),
    )


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("sdk", "is not HOST:INSIDE"),
        (":/opt/sdk", "is not HOST:INSIDE"),
        ("sdk:opt/sdk", "is not HOST:INSIDE"),
        ("sdk:/", "is not HOST:INSIDE"),
        ("sdk://", "is not HOST:INSIDE"),
        ("sdk:/opt/..", "is not HOST:INSIDE"),
        ("no such folder:/opt/sdk", "can't bind no such folder: No such file or directory"),
        ("~no-such-user/sdk:/opt/sdk", "can't bind ~no-such-user/sdk"),
    ],
)
def test_binds_that_are_refused(asked: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        read_binds([asked])


def test_two_binds_at_one_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't both be /opt/sdk"):
        read_binds([f"{tmp_path}:/opt/sdk", f"{tmp_path}:/opt/sdk/"])


def test_options_of_run_go_before_the_recipe(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("run", "aarch64-gnu", "--engine", "sandbox", "--", "id")
    assert result.code == 2
    assert "--engine stands after the recipe" in result.err
