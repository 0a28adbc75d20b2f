"""`imagefab check --take`: what checks on other machines found, and nothing that is of another image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab
from tests.unreadable import UNREADABLE, put_unreadable

from imagefab.digest import Digest
from imagefab.flows.prepare import Prepared, prepare_recipe
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.records.checked import Checked, read_checked, render_checked
from imagefab.toolchains.design import RULES

NAME = "aarch64-gnu"
BOTH = ("linux/amd64", "linux/arm64")


def prepare(root: Path) -> Prepared:
    project = open_project(root)
    return prepare_recipe(project, load_recipes(project, RULES, [NAME])[0])


def make_record(root: Path, platform: str, *, failed: tuple[str, ...] = (), size: int = 1) -> Checked:
    plan = prepare(root).choose_plans([platform])[0]
    some = Digest.of_bytes(platform.encode())
    return Checked(plan=plan.key, manifest=some, size=size, passed=("c",), failed=failed, skipped=(), facts={})


def hand_over(folder: Path, machine: str, **found: Checked) -> None:
    path = folder / machine / "checked.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_checked(NAME, {f"linux/{arch}": one for arch, one in found.items()}))


def read_own(root: Path) -> dict[str, Checked]:
    return read_checked((root / "images" / NAME / "checked.toml").read_text())


@pytest.fixture
def handed(project: Path, tmp_path: Path) -> Path:
    """Nothing is known in the project."""
    (project / "images" / NAME / "checked.toml").unlink(missing_ok=True)
    return tmp_path / "handed"


def test_two_machines(imagefab: RunImagefab, project: Path, handed: Path) -> None:
    records = {platform: make_record(project, platform) for platform in BOTH}
    hand_over(handed, "one", amd64=records["linux/amd64"])
    hand_over(handed, "two/deeper", arm64=records["linux/arm64"])
    result = imagefab("check", NAME, "--take", str(handed), "--json")
    assert result.code == 0
    assert json.loads(result.out) == {"schema": 1, "taken": [{"recipe": NAME, "platforms": list(BOTH)}]}
    assert read_own(project) == records


def test_each_machine_knows_only_its_own_platform(imagefab: RunImagefab, project: Path, handed: Path) -> None:
    """What the others hand on of a platform is what they found in the checkout, and may be out of date."""
    old = {platform: make_record(project, platform, failed=("c++",)) for platform in BOTH}
    (project / "images" / NAME / "checked.toml").write_text(render_checked(NAME, old))
    new = {platform: make_record(project, platform) for platform in BOTH}
    hand_over(handed, "one", amd64=new["linux/amd64"], arm64=old["linux/arm64"])
    hand_over(handed, "two", amd64=old["linux/amd64"], arm64=new["linux/arm64"])
    assert imagefab("check", NAME, "--take", str(handed)).code == 0
    assert read_own(project) == new


def test_of_two_records_the_failed_one_counts(imagefab: RunImagefab, project: Path, handed: Path) -> None:
    good, bad = make_record(project, BOTH[0]), make_record(project, BOTH[0], failed=("c++",))
    hand_over(handed, "one", amd64=good)
    hand_over(handed, "two", amd64=bad)
    assert imagefab("check", "--all", "--take", str(handed)).code == 0
    assert read_own(project) == {BOTH[0]: bad}


def test_records_of_another_image_are_ignored(imagefab: RunImagefab, project: Path, handed: Path) -> None:
    other = replace(make_record(project, BOTH[0]), plan=Digest.of_bytes(b"another"))
    hand_over(handed, "one", amd64=other)
    result = imagefab("check", NAME, "--take", str(handed))
    assert result.code == 0
    assert "nothing to take" in result.err
    assert not (project / "images" / NAME / "checked.toml").exists()


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("project")
def test_unreadable_records(imagefab: RunImagefab, handed: Path, subtests: pytest.Subtests) -> None:
    (handed / "one").mkdir(parents=True)
    for how in UNREADABLE:
        with subtests.test(how):
            put_unreadable(handed / "one/checked.toml", how)
            result = imagefab("check", NAME, "--take", str(handed))
            if how in ("circle", "below a file"):
                assert result.code == 0, "nothing is there, so there is nothing to take"
            else:
                assert (result.code, result.out) == (2, "")
                assert f"{handed}/one/checked.toml: " in result.err


@pytest.mark.usefixtures("project")
def test_no_folder(imagefab: RunImagefab, tmp_path: Path) -> None:
    assert imagefab("check", NAME, "--take", str(tmp_path / "gone")).code == 2
    assert imagefab("check", "--take", str(tmp_path)).code == 2
