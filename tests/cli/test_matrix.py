"""`imagefab matrix`: the jobs of a CI, for recipes that were chosen, that changed, or that are not published."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import NAMES, Result, RunImagefab

from imagefab.digest import Digest
from imagefab.flows.prepare import prepare_recipe
from imagefab.platforms import HOST_PLATFORMS
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.records.published import Published, PublishedImage, render_published
from imagefab.toolchains.design import RULES

TO = "registry.example.org/team"


def list_jobs(result: Result) -> list[tuple[str, str]]:
    assert result.code == 0, result.err
    return [(job["recipe"], job["platform"]) for job in json.loads(result.out)["include"]]


def list_recipes(result: Result) -> list[str]:
    assert result.code == 0, result.err
    return result.out.splitlines()


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(project: Path) -> Path:
    git(project, "init")
    git(project, "add", ".")
    git(project, "commit", "--message", "first")
    return project


@pytest.mark.usefixtures("project")
def test_all_recipes_on_all_platforms(imagefab: RunImagefab) -> None:
    jobs = list_jobs(imagefab("matrix"))
    only_amd64 = "aarch64-gnu-bullseye"
    assert jobs == [
        (name, platform)
        for name in NAMES
        for platform in ("linux/amd64", "linux/arm64")[: 1 if name == only_amd64 else None]
    ]


@pytest.mark.usefixtures("project")
def test_chosen_recipes_and_platforms(imagefab: RunImagefab) -> None:
    asked = ("aarch64-musl", "x86_64-gnu", "--platform", "linux/arm64/v8")
    assert list_jobs(imagefab("matrix", *asked)) == [("aarch64-musl", "linux/arm64"), ("x86_64-gnu", "linux/arm64")]
    assert list_recipes(imagefab("matrix", *asked, "--format", "names")) == ["aarch64-musl", "x86_64-gnu"]


def test_a_recipe_has_its_own_platforms(imagefab: RunImagefab, project: Path) -> None:
    path = project / "recipes/aarch64-gnu.toml"
    path.write_text('platforms = ["linux/amd64"]\n' + path.read_text())
    assert list_jobs(imagefab("matrix", "aarch64-gnu")) == [("aarch64-gnu", "linux/amd64")]
    assert list_jobs(imagefab("matrix", "aarch64-gnu", "--platform", "linux/arm64")) == []


@pytest.mark.usefixtures("project")
def test_runners(imagefab: RunImagefab) -> None:
    named = json.loads(imagefab("matrix", "x86_64-gnu", "--runner", "linux/arm64=ours").out)["include"]
    assert [job["runner"] for job in named] == ["ubuntu-24.04", "ours"]
    gitlab = json.loads(imagefab("matrix", "x86_64-gnu", "--format", "gitlab").out)["build"]["parallel"]["matrix"]
    assert [job["RUNNER"] for job in gitlab] == ["saas-linux-small-amd64", "saas-linux-small-arm64"]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("option", ["--json", "--format=json"])
def test_json(option: str, imagefab: RunImagefab) -> None:
    value = json.loads(imagefab("matrix", "x86_64-gnu", option).out)
    assert value["schema"] == 1
    assert value["jobs"][0] == {
        "recipe": "x86_64-gnu",
        "platform": "linux/amd64",
        "arch": "amd64",
        "runner": "ubuntu-24.04",
    }


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "arguments",
    [
        ["x86_64-gun"],
        ["--platform", "linux/vax"],
        ["--runner", "linux/vax=x"],
        ["--runner", "linux/arm64"],
        ["--runner", "linux/arm64="],
        ["--unpublished"],
        ["--changed-since", "HEAD"],
    ],
    ids=" ".join,
)
def test_bad_arguments(arguments: list[str], imagefab: RunImagefab) -> None:
    result = imagefab("matrix", *arguments)
    assert (result.code, result.out) == (2, "")


@pytest.mark.usefixtures("nowhere")
def test_outside_of_a_project(imagefab: RunImagefab) -> None:
    assert ("aarch64-musl", "linux/arm64") in list_jobs(imagefab("matrix"))
    assert imagefab("matrix", "--unpublished").code == 2
    assert imagefab("matrix", "--changed-since", "HEAD").code == 2


# -- what changed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("committed", [False, True])
def test_what_changed(committed: bool, imagefab: RunImagefab, repository: Path, subtests: pytest.Subtests) -> None:
    for path, names in {
        "recipes/aarch64-gnu.toml": ["aarch64-gnu"],
        "recipes/bases/bookworm.toml": ["aarch64-gnu-bookworm"],
        "images/x86_64-musl/imagefab.lock": ["x86_64-musl"],
        "images/bases/bookworm/imagefab.lock": ["aarch64-gnu-bookworm"],
        "images/x86_64-musl/Dockerfile": ["x86_64-musl"],
        "images/x86_64-musl/checked.toml": [],
        "images/x86_64-musl/published.toml": [],
        "README.md": [],
    }.items():
        with subtests.test(path):
            with (repository / path).open("a") as file:
                file.write("# one more line\n")
            if committed:
                git(repository, "add", ".")
                git(repository, "commit", "--message", "second")
            since = "HEAD^" if committed else "HEAD"
            assert list_recipes(imagefab("matrix", "--changed-since", since, "--format", "names")) == names
        git(repository, "reset", "--hard", "HEAD")
        git(repository, "clean", "--force", "-d")


def test_the_same_bases_are_touched_together(imagefab: RunImagefab, repository: Path) -> None:
    with (repository / "recipes/bases/debian-trixie.toml").open("a") as file:
        file.write("# one more line\n")
    names = list_recipes(imagefab("matrix", "--changed-since", "HEAD", "--format", "names"))
    assert names == [name for name in NAMES if "bookworm" not in name and "bullseye" not in name]
    assert list_recipes(imagefab("matrix", "x86_64-gnu", "--changed-since", "HEAD", "--format", "names")) == [
        "x86_64-gnu"
    ]


def test_nothing_changed(imagefab: RunImagefab, repository: Path) -> None:
    assert imagefab("matrix", "--changed-since", "HEAD").out == '{"include":[]}\n'


def test_changes_of_the_other_branch_do_not_count(imagefab: RunImagefab, repository: Path) -> None:
    git(repository, "checkout", "-b", "other")
    with (repository / "recipes/x86_64-gnu.toml").open("a") as file:
        file.write("# theirs\n")
    git(repository, "commit", "--all", "--message", "theirs")
    git(repository, "checkout", "main")
    with (repository / "recipes/aarch64-gnu.toml").open("a") as file:
        file.write("# ours\n")
    git(repository, "commit", "--all", "--message", "ours")
    assert list_recipes(imagefab("matrix", "--changed-since", "other", "--format", "names")) == ["aarch64-gnu"]


def test_a_file_that_a_recipe_names(imagefab: RunImagefab, repository: Path) -> None:
    (repository / "vendor").mkdir()
    (repository / "vendor/licensed.bin").write_bytes(b"1")
    recipe = repository / "recipes/aarch64-gnu.toml"
    recipe.write_text(recipe.read_text() + '\n[[sources]]\nname = "a"\nfile = "vendor/licensed.bin"\n')
    git(repository, "add", ".")
    git(repository, "commit", "--message", "second")
    (repository / "vendor/licensed.bin").write_bytes(b"2")
    assert list_recipes(imagefab("matrix", "--changed-since", "HEAD", "--format", "names")) == ["aarch64-gnu"]


def test_a_project_that_is_not_the_top_of_its_repository(imagefab: RunImagefab, project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "add", "project")
    git(tmp_path, "commit", "--message", "first")
    with (project / "recipes/x86_64-gnu.toml").open("a") as file:
        file.write("# one more line\n")
    assert list_recipes(imagefab("matrix", "--changed-since", "HEAD", "--format", "names")) == ["x86_64-gnu"]


@pytest.mark.usefixtures("repository")
def test_no_such_revision(imagefab: RunImagefab, subtests: pytest.Subtests) -> None:
    for revision in ("gone", "-x", "--output=x", "", "HEAD:recipes"):
        with subtests.test(revision):
            result = imagefab("matrix", f"--changed-since={revision}")
            assert (result.code, result.out) == (2, "")
            assert "error: there is no git revision" in result.err


# -- what is not published --------------------------------------------------------------------------------------------


def publish(root: Path, name: str, *, to: str = TO, platforms: tuple[str, ...] = tuple(HOST_PLATFORMS)) -> None:
    """As if it were, with made-up digests."""
    project = open_project(root)
    (recipe,) = load_recipes(project, RULES, [name])
    some = Digest.of_bytes(b"some")
    images = tuple(
        (plan.platform.name, PublishedImage(plan=plan.key, manifest=some, config=some, layers=(some,)))
        for plan in prepare_recipe(project, recipe).plans
        if plan.platform.name in platforms
    )
    published = Published(
        name=f"{to}/{name}",
        digest=some,
        platforms=tuple(HOST_PLATFORMS[platform] for platform in platforms),
        tag="2026-01-01-abc",
        images=images,
    )
    (root / "images" / name / "published.toml").write_text(render_published(name, published))


def test_what_is_not_published(imagefab: RunImagefab, project: Path) -> None:
    (project / "imagefab.toml").write_text(f'[publish]\nto = "{TO}"\n')
    publish(project, "aarch64-gnu")
    publish(project, "aarch64-musl", to="registry.example.org/others")
    publish(project, "x86_64-gnu", platforms=("linux/amd64",))
    names = list_recipes(imagefab("matrix", "--unpublished", "--format", "names"))
    assert names == [name for name in NAMES if name not in ("aarch64-gnu", "x86_64-gnu")]
    with (project / "recipes/aarch64-gnu.toml").open("a") as file:
        file.write('[env]\nA = "b"\n')
    assert imagefab("matrix", "--unpublished").code == 4
