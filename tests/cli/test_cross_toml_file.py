"""`imagefab cross-toml`: how it edits and checks the file, and its remarks on the rest of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.cli.sample_pins import PUBLISHED, TO, TRIPLE, publish

BEFORE = f"""\
# ours
[target.{TRIPLE}]
image = "old"   # by hand
pre-build = ["x"]

[target.s390x-unknown-linux-gnu]
image = "name:tag"
"""


def test_the_rest_of_the_file_stays(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    file = project / "Cross.toml"
    file.write_text(BEFORE)
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.code == 0
    assert file.read_text() == BEFORE.replace("old", f"registry.example/team/aarch64-musl@{PUBLISHED}")
    assert result.err == (
        "Cross.toml:7:9: warning: `name:tag` names no registry: an image of this machine has no digest to pin, and "
        "others don't have it\n\nhint: publish it, and pin it by digest; or write a Dockerfile or a recipe\n\n"
        "Cross.toml written\n"
    )


def test_check(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    file = project / "Cross.toml"
    result = imagefab("cross-toml", "aarch64-musl", "--check")
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        f"Cross.toml: error: image of {TRIPLE} is missing, but should be registry.example/team/aarch64-musl"
        f"@{PUBLISHED}\n\nhint: run `imagefab cross-toml aarch64-musl`\n"
    )
    assert not file.exists()
    file.write_text(BEFORE)
    result = imagefab("cross-toml", "--check", "--cross", "main")
    assert result.code == 4
    assert f"Cross.toml:3:9: error: image of {TRIPLE} is old, but should be registry.example" in result.err
    assert "hint: run `imagefab cross-toml --cross main`\n" in result.err
    assert file.read_text() == BEFORE
    (target,) = read_json(imagefab("cross-toml", "--check", "--json"))["targets"]
    assert target["changed"]
    imagefab("cross-toml")
    result = imagefab("-q", "cross-toml", "--check")
    assert (result.code, result.out) == (0, "")


def test_check_fails_without_an_image_to_compare_with(imagefab: RunImagefab, project: Path) -> None:
    """The file names an image of a recipe, and nothing says any more which image that should be."""
    publish(project)
    publish(project, "x86_64-gnu")
    imagefab("cross-toml")
    (project / "images" / "x86_64-gnu" / "published.toml").unlink()
    result = imagefab("cross-toml", "--check", *TO)
    assert result.code == 4
    assert "x86_64-gnu has no image to pin" in result.err


def test_the_file_of_option_file(imagefab: RunImagefab, project: Path, tmp_path: Path) -> None:
    publish(project)
    (tmp_path / "work").mkdir()
    assert imagefab("cross-toml", "--file", str(tmp_path / "work" / "Cross.toml")).code == 0
    assert (tmp_path / "work" / "Cross.toml").exists()
    assert imagefab("-C", str(project / "recipes"), "cross-toml").code == 0
    assert (project / "recipes" / "Cross.toml").exists()
    assert not (project / "Cross.toml").exists()


def test_the_version_is_the_one_of_the_file(imagefab: RunImagefab, project: Path) -> None:
    publish(project, platforms="amd64 arm64")
    file = project / "Cross.toml"
    assert read_json(imagefab("cross-toml", "--json"))["cross"] == "0.2.5"
    file.write_text("[build]\nzig = false\n")
    assert read_json(imagefab("cross-toml", "--json"))["cross"] == "main"
    assert "toolchain = [" in file.read_text()
    assert read_json(imagefab("cross-toml", "--json", "--cross", "0.2.5"))["cross"] == "0.2.5"
    assert "toolchain" not in file.read_text()
    assert "hint: only cross's main branch knows it: --cross main" in imagefab("cross-toml", "--cross", "0.2.5").err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[target.x]\nimage = {name = 'x', toolchain = []}\n",
            "Cross.toml:2:9: error: expected a string",
        ),
        ("[target.x\n", "Cross.toml:1:"),
        ("target = 1\n", "Cross.toml:1:10: error: expected a table of targets"),
        ("target.x.image = 1\n[target.y]\n", "Cross.toml:1:18: error: expected a string"),
        (
            f"[target.{TRIPLE}]\ndockerfile = 'x'\n",
            f"Cross.toml:2:1: error: cross would build over the image pinned for `{TRIPLE}`",
        ),
        (f"[[target.{TRIPLE}]]\n", "Cross.toml:1:1: error: expected a table"),
    ],
)
def test_what_cross_refuses_is_not_written(imagefab: RunImagefab, project: Path, text: str, says: str) -> None:
    publish(project)
    file = project / "Cross.toml"
    file.write_text(text)
    for more in ([], ["--check"], ["--json"]):
        result = imagefab("cross-toml", "--cross", "0.2.5", *more)
        assert (result.code, result.out) == (3, "")
        assert says in result.err
    assert file.read_text() == text


def test_remarks_in_json(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "Cross.toml").write_text("colour = 1\n")
    (project / "our-board-eabihf.json").write_text("{}")
    (remark,) = read_json(imagefab("cross-toml", "--json"))["remarks"]
    assert (remark["line"], remark["column"]) == (1, 1)
    assert "`colour`" in remark["message"]
    assert remark["hint"]


def test_a_triple_of_the_user_is_not_misspelt(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "Cross.toml").write_text("[target.aarch64-unknown-linux-gnux]\nrunner = 'native'\n")
    assert "rustc has no target `aarch64-unknown-linux-gnux`" in imagefab("cross-toml").err
    (project / "aarch64-unknown-linux-gnux.json").write_text("{}")
    assert "rustc" not in imagefab("cross-toml").err


def test_a_file_with_a_lower_case_name(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "cross.toml").write_text("")
    assert "warning: there is a cross.toml, but cross reads Cross.toml\n" in imagefab("cross-toml").err
