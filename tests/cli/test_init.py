"""`imagefab init`: what it writes can be loaded, and never replaces a file."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab

from imagefab.recipe.project import find_shipped_project, load_settings

GITHUB = {
    ".github/imagefab-requirements.txt",
    ".github/propose.sh",
    ".github/workflows/images.yml",
    ".github/workflows/refresh.yml",
}
GITLAB = {".gitlab-ci.yml", ".gitlab/imagefab-requirements.txt", ".gitlab/images.yml", ".gitlab/propose.sh"}
ALL = {
    *GITHUB,
    *GITLAB,
    ".gitignore",
    "imagefab.toml",
    "recipes/aarch64-musl.toml",
    "recipes/bases/base.schema.json",
    *(f"recipes/bases/{name}.toml" for name in ("bullseye", "bookworm", "trixie")),
    *(f"recipes/bases/debian-{name}.toml" for name in ("bullseye", "bookworm", "trixie")),
    "recipes/imagefab.schema.json",
    "recipes/recipe.schema.json",
}


def list_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project(imagefab: RunImagefab, nowhere: Path) -> None:
    result = imagefab("init")
    assert (result.code, result.out) == (0, "")
    assert list_files(nowhere).keys() == ALL
    for name in ALL:
        assert f"{name} written" in result.err
    for step in ("lock", "render", "build"):
        assert f"imagefab {step} aarch64-musl" in result.err
    assert "cd " not in result.err
    shipped = find_shipped_project().recipes_dir
    for name in ("aarch64-musl.toml", "recipe.schema.json", "bases/base.schema.json"):
        assert (nowhere / "recipes" / name).read_bytes() == (shipped / name).read_bytes()


def test_it_is_a_project_of_its_own(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    listed = imagefab("list")
    assert listed.code == 0
    assert "aarch64-musl" in listed.out
    assert "aarch64-gnu" not in listed.out
    assert imagefab("new", "mine", "--target", "x86_64-unknown-linux-gnu", "--kind", "gcc").code == 0
    assert imagefab("lock", "--check").code == 4


def test_a_second_run_changes_nothing(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    before = list_files(nowhere)
    result = imagefab("init")
    assert result.code == 0
    assert "nothing to write" in result.err
    assert " written" not in result.err
    assert list_files(nowhere) == before


def test_files_that_exist_stay_as_they_are(imagefab: RunImagefab, nowhere: Path, subtests: pytest.Subtests) -> None:
    for number, name in enumerate(sorted(ALL)):
        with subtests.test(name):
            folder = nowhere / f"{number}"
            path = folder / name
            path.parent.mkdir(parents=True)
            path.write_text("# mine\n")
            result = imagefab("-C", str(folder), "init")
            assert result.code == 0
            assert path.read_text() == "# mine\n"
            assert f"{name} written" not in result.err
            assert list_files(folder).keys() == ALL


def test_option_to_where_settings_exist(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    result = imagefab("init", "--to", "ghcr.io/acme/images")
    assert result.code == 0
    assert "imagefab.toml stays as it is; `to` and `layers` under [publish] in it say" in result.err
    (nowhere / "imagefab.toml").unlink()
    assert "stays as it is" not in imagefab("init", "--to", "ghcr.io/acme/images").err
    assert "stays as it is" not in imagefab("init", "--to", "ghcr.io/acme/images").err


def test_a_folder_inside_of_a_repository(imagefab: RunImagefab, nowhere: Path) -> None:
    (nowhere / ".git").mkdir()
    assert "at the top of a repository" not in imagefab("init").err
    assert f"at the top of a repository, which is {nowhere}" in imagefab("init", "below").err
    assert "at the top of a repository" not in imagefab("init", "beside", "--ci", "none").err


def test_vendors_archives_are_ignored_by_git(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    subprocess.run(["git", "init", "--quiet"], cwd=nowhere, check=True)
    names = ["MacOSX15.0.sdk.tar.xz", "android-ndk-r27c-linux.zip", "splat.tar.gz", "sdks/MacOSX14.5.sdk.tar.bz2"]
    ignored = subprocess.run(
        ["git", "check-ignore", *names, "imagefab.toml"], cwd=nowhere, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.split() == names


def test_a_link_is_not_followed(imagefab: RunImagefab, nowhere: Path, tmp_path: Path) -> None:
    (nowhere / "imagefab.toml").symlink_to(tmp_path / "elsewhere")
    imagefab("init")
    assert not os.path.lexists(tmp_path / "elsewhere")


def test_own_recipes_are_enough(imagefab: RunImagefab, nowhere: Path) -> None:
    (nowhere / "recipes").mkdir()
    shipped = find_shipped_project().recipes_dir / "x86_64-gnu.toml"
    (nowhere / "recipes/mine.toml").write_bytes(shipped.read_bytes())
    result = imagefab("init")
    assert not (nowhere / "recipes/aarch64-musl.toml").exists()
    assert "imagefab lock mine" in result.err


def test_another_folder(imagefab: RunImagefab, nowhere: Path) -> None:
    result = imagefab("init", "new/project")
    assert list_files(nowhere / "new/project").keys() == ALL
    assert "  cd new/project\n" in result.err
    result = imagefab("-C", "new", "init", "other")
    assert list_files(nowhere / "new/other").keys() == ALL
    assert f"  cd {nowhere}/new/other\n" in result.err


def test_a_folder_that_is_a_file(imagefab: RunImagefab, nowhere: Path) -> None:
    (nowhere / "file").touch()
    result = imagefab("init", "file")
    assert result.code == 2
    assert "can't start a project in" in result.err


@pytest.mark.parametrize(
    ("services", "names"),
    [(["github"], GITHUB), (["gitlab"], GITLAB), (["gitlab", "github", "gitlab"], GITHUB | GITLAB), (["none"], set())],
    ids=["github", "gitlab", "both", "none"],
)
def test_services(services: list[str], names: set[str], imagefab: RunImagefab, nowhere: Path) -> None:
    assert imagefab("init", *(f"--ci={service}" for service in services)).code == 0
    assert list_files(nowhere).keys() == ALL - GITHUB - GITLAB | names


def test_pip_refuses_what_is_not_filled_in(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--require-hashes"]
    refused = subprocess.run(
        [*command, "-r", ".github/imagefab-requirements.txt"], cwd=nowhere, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "imagefab @ FILL-IN" in refused.stderr


def test_none_excludes_other_services(imagefab: RunImagefab, nowhere: Path) -> None:
    result = imagefab("init", "--ci", "none", "--ci", "github")
    assert result.code == 2
    assert not list_files(nowhere)


def test_workflows_install_what_whoever_runs_it_has(imagefab: RunImagefab, nowhere: Path) -> None:
    """Which is a folder here, so nobody knows where a CI gets that: it says so, and installs nobody else's."""
    result = imagefab("init")
    assert "imagefab-requirements.txt: replace FILL IN by a URL that CI can install imagefab from; it was" in result.err
    for name in (".github/imagefab-requirements.txt", ".gitlab/imagefab-requirements.txt"):
        lines = (nowhere / name).read_text().splitlines()
        assert "imagefab @ FILL-IN" in lines
        assert any(line.startswith("deflate==0.9.0 ") for line in lines)
        assert all(line[:1] in "#-" or line.endswith("\\") or "--hash=" in line for line in lines if "FILL" not in line)
    for name in (
        ".github/workflows/images.yml",
        ".github/workflows/refresh.yml",
        ".gitlab-ci.yml",
        ".gitlab/images.yml",
    ):
        text = (nowhere / name).read_text()
        folder = name.partition("/")[0].removesuffix("-ci.yml")
        assert f"pip install --require-hashes -r {folder}/imagefab-requirements.txt\n" in text
        assert "%" not in text.replace("%s", "")


def test_the_repository_of_images(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    assert "REGISTRY: ghcr.io\n" in (nowhere / ".github/workflows/images.yml").read_text()
    imagefab("init", "there", "--to", "quay.io/acme/images")
    settings = load_settings(nowhere / "there/imagefab.toml")
    assert (settings.publish_to, settings.layers) == ("quay.io/acme/images", "quay.io/acme/images/layers")
    for name in ("images", "refresh"):
        assert "REGISTRY: quay.io\n" in (nowhere / f"there/.github/workflows/{name}.yml").read_text()
    (nowhere / "there/.github/workflows/images.yml").unlink()
    imagefab("init", "there")
    assert "REGISTRY: quay.io\n" in (nowhere / "there/.github/workflows/images.yml").read_text()


def test_a_bad_repository(imagefab: RunImagefab, nowhere: Path) -> None:
    result = imagefab("init", "--to", "https://quay.io")
    assert result.code == 2
    assert "--to: " in result.err
    assert not list_files(nowhere)


def test_all_settings_are_good_when_uncommented(imagefab: RunImagefab, nowhere: Path) -> None:
    imagefab("init")
    path = nowhere / "imagefab.toml"
    assert tomllib.loads(path.read_text()) == {}
    lines = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line
        for line in path.read_text().splitlines(keepends=True)
    ]
    path.write_text("".join(lines))
    settings = load_settings(path)
    assert settings.mirrors.keys() == {"debian", "debian-security"}
    assert settings.publish_to == "ghcr.io/example/images"
    assert settings.layers == "ghcr.io/example/images/layers"
    assert settings.store == nowhere / ".imagefab"
