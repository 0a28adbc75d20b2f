"""`imagefab build`, with a fake engine."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.engines.fake_engine import FakeEngine

from imagefab.digest import Digest
from imagefab.errors import EngineError
from imagefab.flows.workspace import Workspace


def test_build(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    result = imagefab("build", "aarch64-gnu", "aarch64-musl")
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.partition("@")[0] for line in lines] == ["aarch64-gnu", "aarch64-musl"]
    assert all(Digest.parse(line.partition("@")[2]) for line in lines)
    built = len(engine.built)
    again = imagefab("build", "aarch64-gnu", "aarch64-musl")
    assert (again.out, len(engine.built)) == (result.out, built)
    assert read_json(imagefab("list", "--json"))["recipes"][0]["digest"] == lines[0].partition("@")[2]


def test_build_reports_all_in_json(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    result = imagefab("build", "aarch64-musl", "--json", "--platform", "all")
    (image,) = read_json(result)["images"]
    assert {"recipe", "target", "digest", "engine", "seconds", "platforms"} <= image.keys()
    assert list(image["platforms"]) == ["linux/amd64", "linux/arm64"]
    for platform in image["platforms"].values():
        assert {"manifest", "config", "cached", "layers"} <= platform.keys()
        assert not platform["cached"]
        for layer in platform["layers"]:
            assert {"name", "digest", "diff_id", "size", "cached"} <= layer.keys()
            for key in ("digest", "diff_id"):
                assert layer[key].startswith("sha256:")
    (again,) = read_json(imagefab("build", "aarch64-musl", "--json", "--platform", "all"))["images"]
    assert again["digest"] == image["digest"]
    assert again["engine"] is None
    assert all(platform["cached"] for platform in again["platforms"].values())


def test_built_images_are_printed_though_another_fails(
    imagefab: RunImagefab, project: Path, engine: FakeEngine
) -> None:
    engine.fail_at = 5
    result = imagefab("build", "aarch64-gnu", "aarch64-musl", "--json", "--platform", "linux/amd64")
    assert result.code == 5
    assert [image["recipe"] for image in read_json(result)["images"]] == ["aarch64-gnu"]
    assert "error: a step failed" in result.err


def test_a_missing_engine_is_one_error(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def choose(name: str, store: object, *, builder: str | None) -> FakeEngine:
        asked.append(name)
        raise EngineError("no engine works here", hint="get one")

    monkeypatch.setattr("imagefab.flows.build.choose_engine", choose)
    result = imagefab("build", "--all")
    assert (result.code, result.out, len(asked)) == (5, "", 1)
    assert result.err == "error: no engine works here\n\nhint: get one\n"


def test_a_clock_before_the_lock(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files would be older than the epoch, and keep their time in the layer."""
    assert imagefab("build", "aarch64-gnu").code == 0
    monkeypatch.setattr(Workspace, "now", datetime(2020, 2, 3, 4, 5, tzinfo=UTC))
    built = len(engine.built)
    result = imagefab("build", "aarch64-gnu", "x86_64-gnu")
    assert result.code == 5
    assert result.err.count("this machine's clock says 2020-02-03 04:05, but the lock of x86_64-gnu is of ") == 1
    assert len(engine.built) == built
    assert imagefab("build", "aarch64-gnu").code == 0, "there is nothing to build"


def test_an_unknown_platform_starts_nothing(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert imagefab("build", "aarch64-gnu", "x86_64-gnu", "--platform", "linux/sparc").code == 2
    assert not engine.built


def test_a_stale_dockerfile_is_a_warning(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert "Dockerfile" not in imagefab("build", "aarch64-gnu").err
    path = project / "images" / "aarch64-gnu" / "Dockerfile"
    text = path.read_text()
    path.write_text(text + "# reviewed\n")
    for _ in range(2):
        result = imagefab("build", "aarch64-gnu")
        assert result.code == 0
        assert "images/aarch64-gnu/Dockerfile is not what is built; run `imagefab render aarch64-gnu`" in result.err
    path.write_text(text)
    assert "Dockerfile" not in imagefab("build", "aarch64-gnu").err


def test_the_output_is_a_layout(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert imagefab("build", "aarch64-gnu", "--output", "out").code == 0
    assert (project / "out" / "oci-layout").is_file()
    assert imagefab("build", "aarch64-gnu", "--output", "recipes").code == 2
    assert (project / "recipes" / "aarch64-gnu.toml").is_file()


def test_a_folder_that_cannot_be_made(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, subtests: pytest.Subtests
) -> None:
    (project / "circle").symlink_to("circle")
    for place in ("/proc/x", "/dev/null/x", "circle"):
        for verb in (["build", "aarch64-gnu", "--output"], ["context", "aarch64-gnu"]):
            with subtests.test(" ".join(verb), place=place):
                result = imagefab(*verb, place)
                assert result.code == 5
                assert "hint: name a folder" in result.err
                assert "store" not in result.err
