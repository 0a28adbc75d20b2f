"""Where the store is, and which folder paths are relative to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab
from tests.engines.fake_engine import FakeEngine
from tests.machine import require

from imagefab.engines.engine import Command


def test_where_the_store_is(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagefab("--store", "mine", "build", "aarch64-gnu")
    assert (project / "mine" / "blobs").is_dir()
    assert not (tmp_path / "store").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("IMAGEFAB_STORE")
        else:
            monkeypatch.setenv("IMAGEFAB_STORE", value)
        imagefab("build", "aarch64-gnu")
        assert (tmp_path / "cache" / "imagefab" / "blobs").is_dir()
        assert not (project / "blobs").exists()
    (project / "imagefab.toml").write_text('[store]\npath = "ours"\n')
    imagefab("build", "aarch64-gnu")
    assert (project / "ours" / "blobs").is_dir()


def test_a_store_that_is_a_file(imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    result = imagefab("build", "aarch64-gnu")
    assert result.code == 5
    assert "--store DIR" in result.err


def test_one_error_where_no_store_can_be(imagefab: RunImagefab, project: Path, subtests: pytest.Subtests) -> None:
    """Whatever runs side by side, and however many files or images it is about."""
    for place in ("/dev/null", "/proc/x", "x" * 300):
        for verb in (["build", "--all"], ["context", "aarch64-gnu", "out"], ["gc"]):
            with subtests.test(" ".join(verb), place=place):
                result = imagefab("--store", place, *verb)
                assert (result.code, result.out) == (5, "")
                assert result.err.count("error: ") == 1
                assert result.err.count("hint: ") == 1
                assert len(result.err.splitlines()) == 3
                assert "--store DIR" in result.err
        with subtests.test("list", place=place):
            assert imagefab("--store", place, "list").code == 0


def test_paths_are_relative_to_the_folder_of_option_c(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `make -C`: the folder is the working folder."""
    monkeypatch.delenv("IMAGEFAB_STORE")
    monkeypatch.chdir(tmp_path)
    assert imagefab("-C", "project", "--store", "own", "build", "aarch64-gnu", "--output", "out").code == 0
    assert (project / "own" / "blobs").is_dir()
    assert (project / "out" / "oci-layout").is_file()
    assert Path.cwd() == tmp_path, "it was the working folder for that run alone"
    commands: list[Command] = []

    def run_in_image(image: object, name: str, command: Command, *rest: object, **more: object) -> int:
        commands.append(command)
        return 7

    monkeypatch.setattr("imagefab.flows.run.run_in_image", run_in_image)
    options = ("-C", "project", "--store", "own")
    (project / "below").mkdir()
    for more, mounted in (((), project), (("--mount", "below"), project / "below")):
        assert imagefab(*options, "run", *more, "aarch64-gnu", "--", "true").code == 7
        assert (commands[-1].cwd, commands[-1].binds) == (str(mounted), ((str(mounted), str(mounted)),))
    for folder in ("gone", "recipes/aarch64-gnu.toml"):
        result = imagefab(*options, "run", "--mount", folder, "aarch64-gnu", "--", "true")
        assert result.code == 2
        assert f"can't mount {project}/{folder}" in result.err


def test_a_report_takes_the_place_of_a_file_alone(imagefab: RunImagefab, small_project: Path, tmp_path: Path) -> None:
    """What is in the way is said before any work is done. Offline, the work itself would fail at once."""
    (tmp_path / "mine").write_text("mine")
    (small_project / "report.md").symlink_to(tmp_path / "mine")
    result = imagefab("--offline", "refresh", "--report", "report.md")
    assert (result.code, result.out) == (2, "")
    assert "can't write a report to report.md: a link is in its place" in result.err
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_report_leaves_a_device_as_it_is(imagefab: RunImagefab, small_project: Path, tmp_path: Path) -> None:
    """A node of the test's own: what breaks it breaks no machine."""
    require(os.geteuid() == 0, "root")
    node = tmp_path / "null"
    os.mknod(node, stat.S_IFCHR | 0o666, Path("/dev/null").stat().st_rdev)
    assert imagefab("--offline", "refresh", "--report", str(node)).code == 6
    assert stat.S_ISCHR(node.lstat().st_mode)


def test_names_that_no_file_can_have(
    imagefab: RunImagefab, small_project: Path, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    before = sorted(small_project.rglob("*"))
    for name in ("x" * 300, f"{'x' * 300}/y", str(tmp_path / "circle" / "y")):
        for verb in (["init", name], ["check", "--take", name, "aarch64-gnu"], ["refresh", "--report", name]):
            with subtests.test(" ".join(verb[:-1]), name=name[:10]):
                result = imagefab("--offline", *verb)
                assert (result.code, result.out) == (2, "")
                assert "error: " in result.err
                assert len(result.err) < 1000
    assert sorted(small_project.rglob("*")) == before
